export { FACE_EVENT_TYPE, type PictureAttributes } from './attributes';
export { Channel, type ChannelOptions, type OverflowPolicy } from './channel';
export type { FaceDetectorOptions } from './detectors/detector-settings';
export {
  FaceDetector,
  type FaceDetectorEvents,
  type FaceDetectorStats,
} from './detectors/face-detector';
export type { GreyImage, Model, ModelFinding, Search } from './detectors/model';
export { RelayError, type RelayErrorCode, type RelayErrorDetails } from './errors';
export type { Box, Detection, Face } from './face';
export type { Frame, FrameClock } from './frame';
export {
  GAP_CONTENT_TYPE,
  GAP_EVENT_TYPE,
  type GapReason,
  type GapRecord,
  type NumberRange,
} from './gap-record';
export { bootId, pictureId } from './identity';
export type { EncodedImage, Image, PixelFormat, RawImage } from './image';
export type { Look, SeenFace } from './look';
export { merge } from './merge';
export type { Delivery, Message, Properties } from './message';
export { Bridge, type BridgeEvents, type BridgeOptions, type BridgeSide } from './mqtt/bridge';
export type { BridgeRoute } from './mqtt/bridge-routes';
export { type BrokerReport, checkBroker } from './mqtt/broker-check';
export type { BrokerOptions } from './mqtt/broker-options';
export { GapReporter, type GapSource } from './mqtt/gap-reporter';
export { Publisher } from './mqtt/publisher';
export type {
  OutgoingMessage,
  PublisherEvents,
  PublisherOptions,
  PublishWaiter,
  ReceiptOptions,
} from './mqtt/publisher-options';
export { type RoundTrip, type RoundTripOptions, roundTrip } from './mqtt/round-trip';
export { Subscriber, type SubscriberEvents, type SubscriberOptions } from './mqtt/subscriber';
export type { TopicRoute } from './mqtt/topic-map';
export { type PipelineOptions, pipeline } from './pipeline';
export { Preview, type PreviewCompanion, type PreviewOptions, type PreviewSource } from './preview/preview';
export type { RetryOptions } from './retry';
export type { BudgetOptions } from './selection/budget';
export {
  FaceSelector,
  type FaceSelectorEvents,
  type FaceSelectorStats,
  type VisitEvent,
} from './selection/face-selector';
export type { PictureFormat } from './selection/picture-encoder';
export type { FaceSelectorOptions, SelectionPolicy } from './selection/selector-options';
export type { Track } from './selection/track';
export { type Sight, Tracker, type TrackerOptions, type Tracking, type TrackName } from './selection/tracker';
export type { SelectionReason } from './selection/visit';
export type { Accept, AcceptAnswer, AcceptByTopic } from './sinks/accept';
export {
  type AuditOptions,
  type AuditProgress,
  type AuditReport,
  audit,
  type Finding,
} from './sinks/audit';
export type { CameraAudit } from './sinks/camera-account';
export type { Placement } from './sinks/file-placement';
export { FileStore } from './sinks/file-store';
export type { FileStoreOptions } from './sinks/file-store-options';
export { type ForgetOptions, type ForgetReport, forget } from './sinks/forget';
export type { Selection } from './sinks/forget-selection';
export type { ClockDifference, HopLatency } from './sinks/hop-account';
export {
  type CompactionOptions,
  type CompactionReport,
  compactManifest,
} from './sinks/manifest-compaction';
export type { ManifestOptions } from './sinks/manifest-options';
export { type ManifestDay, manifestDays, readManifest } from './sinks/manifest-reader';
export type { ManifestRow, ManifestTimes } from './sinks/manifest-row';
export { MemoryStore } from './sinks/memory-store';
export { type NewestPage, type NewestQuery, newestPictures } from './sinks/newest-pictures';
export { isPictureKey } from './sinks/object-key';
export type { S3StoreOptions } from './sinks/s3-options';
export { S3Store } from './sinks/s3-store';
export { Sink, type SinkOptions } from './sinks/sink';
export type { SinkEvents, SinkStats, StoredEvent, StoredReport } from './sinks/sink-events';
export type { ObjectDetails, PutOptions, Store, StoredObject, StoreSupport } from './sinks/store';
export type { RemovedEvent, StoreEvents } from './sinks/store-events';
export { CameraCapture, type CameraCaptureOptions } from './sources/camera-capture';
export type { CameraInputFormat, CameraModeChoice, CameraWish } from './sources/camera-choice';
export type { CameraControls } from './sources/camera-controls';
export { type CameraInfo, type ListCamerasOptions, listCameras } from './sources/camera-list';
export { type CameraMode, describeCameraModes } from './sources/camera-modes';
export type {
  Capture,
  CaptureDamage,
  CaptureDescription,
  CapturedFrame,
  CaptureListener,
  CaptureMismatch,
  CaptureMode,
} from './sources/capture';
export type { CaptureOptions } from './sources/capture-options';
export { CommandCapture } from './sources/command-capture';
export { withoutCredentials } from './sources/credentials';
export { findFfmpeg } from './sources/ffmpeg';
export { FrameSource } from './sources/frame-source';
export type { FrameSourceEvents, FrameSourceOptions, FrameSourceStats } from './sources/frame-source-events';
export { ImageCapture, type ImageCaptureOptions } from './sources/image-capture';
export type { LiveOptions } from './sources/live-options';
export type { CommandLocation } from './sources/location';
export { type JpegCaptureOptions, MjpegCapture } from './sources/mjpeg-capture';
export { VideoCapture, type VideoCaptureOptions } from './sources/video-capture';
export { LmdbSpool, type LmdbSpoolOptions } from './spool/lmdb-spool';
export { MemorySpool, type MemorySpoolOptions } from './spool/memory-spool';
export type {
  AppendWaiter,
  FullPolicy,
  SetAside,
  Spool,
  SpoolDrop,
  SpoolEntry,
  SpoolOrder,
} from './spool/spool';
export type { SpoolHolder } from './spool/spool-lock';
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
