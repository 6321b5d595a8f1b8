export { FACE_EVENT_TYPE, type PictureAttributes } from './attributes';
export { Channel, type ChannelOptions, type OverflowPolicy } from './channel';
export { RelayError, type RelayErrorCode, type RelayErrorDetails } from './errors';
export type { Box, Detection, Face } from './face';
export type { Frame, FrameClock } from './frame';
export { bootId, pictureId } from './identity';
export type { EncodedImage, Image, PixelFormat, RawImage } from './image';
export { merge } from './merge';
export type { Delivery, Message, Properties } from './message';
export { type PipelineOptions, pipeline } from './pipeline';
export {
  type Acknowledgeable,
  type Combined,
  combine,
  type Outputs,
  type Stage,
  type StageContext,
  type Transform,
  type Writer,
} from './stage';
export { type Branch, branch, tee } from './tee';
