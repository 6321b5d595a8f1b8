/** Small and in JavaScript alone: it may come along when the library is imported. No other package may. */
export const lightPackages: readonly string[] = ['eventemitter3'];
