// A classifier for tests: says which of red, green and blue there is most of. Its ONNX file is written here, field by field.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SHAPES } from './service.mjs';

// The wire format of protobuf: numbers, and everything else with its length before it.
const varint = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))]);
const number = (field, value) => [...varint(field * 8), ...varint(value)];
const bytes = (field, value) => [...varint(field * 8 + 2), ...varint(value.length), ...value];
const text = (field, value) => bytes(field, [...Buffer.from(value)]);

// onnx.proto3: NodeProto, ValueInfoProto (of floats), ModelProto.
const node = (kind, input, output) => bytes(1, [...text(1, input), ...text(2, output), ...text(4, kind)]);
const value = (field, name, shape) => {
  const dims = shape.flatMap((length) => bytes(1, number(1, length)));
  return bytes(field, [...text(1, name), ...bytes(2, bytes(1, [...number(1, 1), ...bytes(2, dims)]))]);
};
const graph = [
  ...node('GlobalAveragePool', 'picture', 'means'),
  ...node('Flatten', 'means', 'logits'),
  ...text(2, 'colours'),
  ...value(11, 'picture', [1, 3, 8, 8]),
  ...value(12, 'logits', [1, 3]),
];
const model = [...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))];

const manifest = (labels) => `family = "classifier"
task = "classify"
labels = ${JSON.stringify(labels)}

[input]
name = "picture"
width = 8
height = 8
scale = 0.0625
resize = "stretch"

[classes]
output = "logits"
activation = "softmax"
`;

/** Model folders of these names; `flags`: of `serve`, with the detector of shapes before them; `remove()` takes them away. */
export async function makeClassifiers(names) {
  const root = await mkdtemp(join(tmpdir(), 'sightglass-classifier-'));
  for (const name of names) {
    await mkdir(join(root, name, '1'), { recursive: true });
    await writeFile(join(root, name, '1', 'model.onnx'), Buffer.from(model));
    await writeFile(join(root, name, 'model.toml'), manifest(['red', 'green', 'blue']));
  }
  const flags = [SHAPES, ...names.map((name) => join(root, name))].flatMap((name) => ['--model', name]);
  return { flags, remove: () => rm(root, { recursive: true, force: true }) };
}
