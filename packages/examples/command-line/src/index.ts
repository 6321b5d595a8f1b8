export {
  addresses,
  type Command,
  command,
  date,
  InvalidArgumentError,
  onOff,
  setting,
  textFile,
  whole,
} from './command';
export { Log } from './log';
export { bar, Progress } from './progress';
export { type App, runApp } from './run-app';
