"""What a teacher sees in the very sample that the trainee sees, place by place.

A COCO detector with YOLOX's heads (Ge et al., arXiv:2107.08430) has the trainee's strides: at each place it tells how sure
it is that something is there, and which of 80 classes, most of which the photographs have no labels for. The trainee's
features must tell the same through one convolution that is not exported. Teacher and trainee look at the same cut-out
at the same scale, as Beyer et al. found to matter (arXiv:2106.05237); its colours are changed for the trainee alone.
"""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LIMIT = 8.0     # logits are cut here: beyond is the same certainty
FLOOR = 0.03    # share of a place where the teacher sees nothing
NOTHING = -6.5  # the mean logit over many photographs: where the trainee begins
PLACES = 512    # of a sample, drawn by how sure the teacher is; most places are empty


class Teacher:
    """A YOLOX file, run on samples of any size: its heads, of each stride, become the outputs."""

    def __init__(self, path):
        # Here, because who trains without a teacher needs neither package.
        import onnx
        model = onnx.load(str(path))
        graph = model.graph
        heads = [node.input[0] for node in graph.node if node.op_type == "Reshape"]
        if len(heads) != 3:
            raise SystemExit(f"{path}: {len(heads)} Reshape nodes where YOLOX, as its authors export it, has one for each "
                             "of 3 strides; --imitate takes no other layout")
        for axis, name in ((2, "height"), (3, "width")):
            graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
        del graph.output[:], graph.value_info[:]
        graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in heads)
        self.model, self.session = model.SerializeToString(), None

    def opened(self):
        """The session of the process that prepares the samples: a session does not outlive a fork."""
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self.model, options, ["CPUExecutionProvider"])

    def see(self, picture, rng):
        """Of uint8 RGB [size, size, 3]: places [PLACES] and their logits [PLACES, 1 + classes]. Places count on from the
        largest stride to the smallest, row by row."""
        self.session = self.session or self.opened()
        x = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1)[None], np.float32)
        heads = self.session.run(None, {self.session.get_inputs()[0].name: x})
        heads.sort(key=lambda head: head.shape[2])
        scores = np.concatenate([head[0, 4:].reshape(head.shape[1] - 4, -1) for head in heads], 1).T
        chance = FLOOR + scores[:, 0] * scores[:, 1:].max(1)
        places = rng.choice(len(scores), min(PLACES, len(scores)), replace=False, p=chance / chance.sum())
        told = scores[places].clip(1e-5, 1 - 1e-5)
        return places, np.log(told / (1 - told)).clip(-LIMIT, LIMIT)


class Imitation(nn.Module):
    """What the trainee's features of each stride, of so many channels, tell of the teacher's logits."""

    def __init__(self, widths, classes=80):
        super().__init__()
        self.tell = nn.ModuleList(nn.Conv2d(width, 1 + classes, 1) for width in widths)
        for tell in self.tell:
            nn.init.constant_(tell.bias, NOTHING)

    def forward(self, features, places, told):
        """How far from the teacher's logits, whether something is there and what it is counting the same; `places`
        int64 [N, P], `told` float32 [N, P, 1 + classes]."""
        got = torch.cat([tell(x).flatten(2) for tell, x in zip(self.tell, features)], 2)
        got = got.gather(2, places[:, None].expand(-1, got.shape[1], -1)).transpose(1, 2)
        far = F.smooth_l1_loss(got.float(), told, reduction="none")
        return far[..., 0].mean() + far[..., 1:].mean()
