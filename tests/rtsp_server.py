#!/usr/bin/python3
"""A network camera for tests: an RTSP server that prints its port and serves drawn pictures.

/live (H.264), /numbered (the clip fixtures/numbered.mp4, again and again), /h265, /jpeg, /mpeg4
(numbered.avi, once), /vp8, /vp9, /sound (no video), /both (sound and video), /secret (for ann only),
/turn (the size changes), /short (ends after two seconds).
"""
import argparse
import itertools
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
USER, PASSWORD = "ann", "p@ss: wörd"

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--fps", type=int, default=25)
parser.add_argument("--size", default="320x240")
parser.add_argument("--auth", choices=["basic", "digest"], default="digest")
parser.add_argument("--certificate", help="PEM file with key and certificate: speak RTSPS")
options = parser.parse_args()

Gst.init(None)
width, height = options.size.split("x")


def clip():
    """The pictures of numbered.mp4 as they lie in I420."""
    pipeline = Gst.parse_launch(f"filesrc location={FIXTURES}/numbered.mp4 ! decodebin ! videoconvert ! video/x-raw,format=I420 "
                                "! appsink name=sink sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    pictures = []
    while sample := pipeline.get_by_name("sink").emit("pull-sample"):
        buffer = sample.get_buffer()
        pictures.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    return pictures


def repeat(_factory, media):
    """Gives a media's appsrc the clip without end."""
    pictures, count = clip(), itertools.count()

    def give(source, _length):
        number = next(count)
        buffer = Gst.Buffer.new_wrapped(pictures[number % len(pictures)])
        buffer.pts = number * Gst.SECOND // options.fps
        buffer.duration = Gst.SECOND // options.fps
        source.emit("push-buffer", buffer)

    media.get_element().get_by_name("clip").connect("need-data", give)


def drawn(width=width, height=height, more=""):
    return (f"videotestsrc is-live=true pattern=ball {more} ! video/x-raw,format=I420,width={width},height={height},"
            f"framerate={options.fps}/1")


H264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! video/x-h264,profile=baseline ! rtph264pay config-interval=-1 name={}"
SOUND = "audiotestsrc is-live=true ! alawenc ! rtppcmapay pt=8 name={}"
MOUNTS = {
    "/live": f"{drawn()} ! {H264.format('pay0')}",
    "/secret": f"{drawn()} ! {H264.format('pay0')}",
    "/numbered": f"appsrc name=clip format=time caps=video/x-raw,format=I420,width=320,height=240,"
                 f"framerate={options.fps}/1 ! identity sync=true ! {H264.format('pay0')}",
    "/h265": f"{drawn()} ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph265pay config-interval=-1 name=pay0",
    "/jpeg": f"{drawn()} ! jpegenc ! rtpjpegpay name=pay0",
    "/mpeg4": f"filesrc location={FIXTURES}/numbered.avi ! avidemux ! mpeg4videoparse ! rtpmp4vpay config-interval=1 name=pay0",
    "/vp8": f"{drawn()} ! vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay name=pay0",
    "/vp9": f"{drawn()} ! vp9enc deadline=1 cpu-used=8 keyframe-max-dist=15 ! rtpvp9pay name=pay0",
    "/sound": SOUND.format("pay0"),
    "/both": f"{SOUND.format('pay0')} {drawn()} ! {H264.format('pay1')}",
    "/short": f"{drawn(more=f'num-buffers={2 * options.fps}')} ! {H264.format('pay0')}",
    "/turn": f"{drawn()} ! videoscale ! capsfilter name=size ! {H264.format('pay0')}",
}


def role(name, allowed):
    permission = Gst.Structure.new_empty(name)
    # Who may not see a stream gets 404; who may not open it is asked for a password.
    permission.set_value("media.factory.access", True)
    permission.set_value("media.factory.construct", allowed)
    return permission


def token(name):
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", name)
    return token


def turn(_factory, media):
    """Every second another size."""
    size = media.get_element().get_by_name("size")
    sizes = [(320, 240), (240, 320), (640, 360)]

    def change(at):
        wide, high = sizes[at % len(sizes)]
        size.set_property("caps", Gst.Caps.from_string(f"video/x-raw,width={wide},height={high},pixel-aspect-ratio=1/1"))
        GLib.timeout_add(1000, change, at + 1)
        return False

    change(0)


configure = {"/turn": turn, "/numbered": repeat}
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(str(options.port))
auth = GstRtspServer.RTSPAuth()
auth.set_default_token(token("anyone"))
if options.auth == "basic":
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), token("ann"))
else:
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(USER, PASSWORD, token("ann"))
if options.certificate:
    auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.certificate))
server.set_auth(auth)
for path, launch in MOUNTS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {launch} )")
    factory.set_shared(path not in ("/mpeg4", "/short", "/turn"))
    factory.add_role_from_structure(role("ann", True))
    factory.add_role_from_structure(role("anyone", path != "/secret"))
    if path in configure:
        factory.connect("media-configure", configure[path])
    server.get_mount_points().add_factory(path, factory)
if server.attach(None) == 0:
    sys.exit("the port is taken")
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
