/** The two functions of a test runner that a suite needs; those of Vitest, Jest, Mocha and node:test fit. */
export interface TestFunctions {
  /** `describe` of Vitest, node:test, Jest or Mocha. */
  describe(name: string, body: () => void): unknown;
  /** `it` of the same. */
  it(name: string, body: () => Promise<void> | void): unknown;
}
