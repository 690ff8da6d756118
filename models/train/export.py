#!/usr/bin/env python3
"""Writes the ONNX file of a checkpoint of train.py:  export.py CHECKPOINT OUT.onnx"""
import sys

import torch

import network
import shapes

net = network.Detector(len(shapes.LABELS))
net.load_state_dict(torch.load(sys.argv[1])["slow"])
network.export(net, sys.argv[2])
