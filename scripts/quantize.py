#!/usr/bin/env python3
"""quantize.py MODEL --images DIR: a model folder MODEL-int8 beside MODEL, its convolutions in 8 bits.

Static quantisation by ONNX Runtime's own tool: QDQ, weights symmetric and per channel, ranges of the activations
calibrated on pictures, prepared as model.toml says. Only convolutions become 8 bits, and not those behind which no other
one comes: they write boxes and scores, where 256 steps are too coarse. docs/guide/quantize.md has what it costs and brings.

Needs: pip install onnx onnxruntime numpy pillow
"""
import argparse
import pathlib
import random
import shutil
import tempfile
import tomllib

import numpy
import onnx
import onnx.version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageOps

ENDINGS = {'.jpg', '.jpeg', '.png', '.webp', '.bmp'}


def prepared(path, keys):
    """A picture as the input tensor that model.toml's [input] describes."""
    width, height = keys['width'], keys['height']
    image = ImageOps.exif_transpose(Image.open(path)).convert('RGB')
    resize = keys.get('resize', 'letterbox')
    if resize == 'stretch':
        canvas = image.resize((width, height), Image.BILINEAR)
    elif resize == 'crop':
        canvas = ImageOps.fit(image, (width, height), Image.BILINEAR)
    else:
        ratio = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        canvas = Image.new('RGB', (width, height), (keys.get('pad', 114),) * 3)
        corner = (0, 0) if resize == 'letterbox-top-left' else ((width - inner[0]) // 2, (height - inner[1]) // 2)
        canvas.paste(image.resize(inner, Image.BILINEAR), corner)
    values = numpy.asarray(canvas, dtype=numpy.float32)
    if keys.get('channels', 'rgb') == 'bgr':
        values = values[:, :, ::-1]
    values = (values * keys.get('scale', 1.0) - numpy.float32(keys.get('mean', [0, 0, 0]))) / numpy.float32(keys.get('std', [1, 1, 1]))
    if keys.get('layout', 'nchw') == 'nchw':
        values = values.transpose(2, 0, 1)
    return numpy.ascontiguousarray(values[None], dtype=numpy.float32)


class Pictures(CalibrationDataReader):
    def __init__(self, paths, manifest, types):
        self.paths, self.manifest, self.types = iter(paths), manifest, types

    def get_next(self):
        path = next(self.paths, None)
        if path is None:
            return None
        keys = self.manifest['input']
        feeds = {keys['name']: prepared(path, keys).astype(self.types[keys['name']][0])}
        for constant in self.manifest.get('constants', []):
            dtype, shape = self.types[constant['input']]
            feeds[constant['input']] = numpy.array(constant['values'], dtype).reshape(shape)
        return feeds


def last_convolutions(graph):
    """Names of the convolutions behind which no other one comes."""
    users = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    last = []
    for node in (node for node in graph.node if node.op_type == 'Conv'):
        reached, waiting = set(), list(node.output)
        while waiting:
            for user in users.get(waiting.pop(), []):
                if id(user) not in reached:
                    reached.add(id(user))
                    waiting += user.output
        if not any(user.op_type == 'Conv' and id(user) in reached for user in graph.node):
            last.append(node.name)
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', type=pathlib.Path, help='a model folder')
    parser.add_argument('--images', type=pathlib.Path, required=True, help='folder of pictures such as the model will see')
    parser.add_argument('--count', type=int, default=200, help='how many of them, picked by a fixed seed')
    parser.add_argument('--output', type=pathlib.Path, help='the new model folder [default: MODEL-int8]')
    args = parser.parse_args()
    output = args.output or args.model.with_name(args.model.name + '-int8')
    if output.exists():
        parser.error(f'{output} is there already')
    manifest = tomllib.loads((args.model / 'model.toml').read_text())
    version = max(int(folder.name) for folder in args.model.iterdir() if folder.name.isdigit())
    paths = sorted(path for path in args.images.rglob('*') if path.suffix.lower() in ENDINGS)
    if not paths:
        parser.error(f'{args.images} holds no pictures')
    paths = random.Random(0).sample(paths, min(args.count, len(paths)))

    with tempfile.TemporaryDirectory(dir=args.model.parent, prefix='.quantize-') as folder:
        folder = pathlib.Path(folder)
        # Convolution and batch norm become one, shapes become known: what the tool wants to be given.
        source = onnx.load(args.model / str(version) / 'model.onnx')
        # Weights with a scale for each channel are known from this version of the operators on.
        if max(one.version for one in source.opset_import if one.domain in ('', 'ai.onnx')) < 13:
            source = onnx.version_converter.convert_version(source, 13)
        onnx.save(source, folder / 'source.onnx')
        quant_pre_process(str(folder / 'source.onnx'), str(folder / 'ready.onnx'), skip_symbolic_shape=True)
        ready = onnx.load(folder / 'ready.onnx')
        for index, node in enumerate(ready.graph.node):
            node.name = node.name or f'node{index}'
        onnx.save(ready, folder / 'ready.onnx')
        types = {
            one.name: (onnx.helper.tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type),
                       [axis.dim_value or 1 for axis in one.type.tensor_type.shape.dim])
            for one in ready.graph.input
        }
        made = folder / 'made'
        (made / '1').mkdir(parents=True)
        quantize_static(
            str(folder / 'ready.onnx'), str(made / '1' / 'model.onnx'), Pictures(paths, manifest, types),
            quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
            # The mean of each picture's range: a single outlier would make all steps coarse.
            extra_options={'CalibMovingAverage': True}, op_types_to_quantize=['Conv'], nodes_to_exclude=last_convolutions(ready.graph),
        )
        for path in args.model.iterdir():
            if path.is_file():
                shutil.copy(path, made)
        made.rename(output)
    print(f'{output}: calibrated on {len(paths)} pictures')


if __name__ == '__main__':
    main()
