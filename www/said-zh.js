// What the server says about files and calls, in Chinese. The server speaks English; what stands here is what a person may
// meet on this page. {} stands for what changes: numbers, names. A test looks that the server still says each of them.

export default [
  ['The file is empty: choose a video file and send it again.', '文件是空的，请重新选择视频文件。'],
  ['The upload is empty: choose a video file.', '上传的文件是空的，请选择视频文件。'],
  [
    'The file is not a video: choose an MP4, MOV, MKV, WebM, AVI or MPEG-TS file.',
    '该文件不是视频，请选择 MP4、MOV、MKV、WebM、AVI 或 MPEG-TS 文件。',
  ],
  ['The file is a still picture, not a video: send it as an image.', '该文件是静态图片，不是视频。'],
  ['The file is a GIF animation, which is no video: convert it to MP4 and send that.', '该文件是 GIF 动图，请先转换为 MP4。'],
  [
    'The file has no picture, only sound (no video track): choose a file with pictures.',
    '该文件只有声音，没有画面（没有视频轨道），请选择有画面的文件。',
  ],
  [
    'The video is encrypted (DRM): the server cannot see its pictures. Send an unprotected copy.',
    '该视频已加密（DRM），服务器无法读取画面，请上传未加密的版本。',
  ],
  [
    'The file has no index (moov atom): the recording was cut off or the upload is incomplete. Send it again, or repair it with a tool such as untrunc.',
    '该文件缺少索引（moov），可能是录制中断或上传不完整。请重新上传，或使用 untrunc 等工具修复。',
  ],
  [
    'The file is cut off before its first picture: the upload or the recording is incomplete.',
    '该文件在第一帧之前就中断了，录制或上传不完整。',
  ],
  ["The file's video is damaged: not one picture of it could be decoded.", '该视频已损坏，没有一帧能够解码。'],
  ['The file is damaged or incomplete: no video track could be found in it.', '该文件已损坏或不完整，找不到视频轨道。'],
  [
    'Not one picture of the video could be decoded: it is damaged, or this server cannot read its samples ({}). Convert it to H.264 with 8 bits and 4:2:0.',
    '没有一帧能够解码：视频可能已损坏，或服务器不支持其采样格式（{}）。请转换为 8 位 4:2:0 的 H.264。',
  ],
  [
    'The video is in a format ({}) that this server has no decoder for: convert it to H.264, or ask the operator, whom `sightglass doctor` tells what is missing.',
    '服务器没有 {} 格式的解码器，请转换为 H.264，或联系管理员（运行 sightglass doctor 可查看缺少的组件）。',
  ],
  [
    "The video's picture of {} pixels is larger than the {} pixels that this server takes: scale it down and try again.",
    '视频画面有 {} 像素，超过服务器允许的 {} 像素，请缩小后重试。',
  ],
  [
    'The video is longer than the {} s that this server takes: cut it and send the parts.',
    '视频超过服务器允许的 {} 秒，请分段上传。',
  ],
  ['The file is larger than the {} MB that this server takes.', '文件超过服务器允许的 {} MB。'],
  [
    "The video's decoder gave no picture for {} s and was stopped: the file may be damaged.",
    '解码器 {} 秒没有输出画面，已停止；文件可能已损坏。',
  ],
  ['The video gives no picture within {} s: the file may be damaged.', '{} 秒内没有解码出画面；文件可能已损坏。'],
  [
    'The file seems to be cut off: it says {} s but ends at {} s; the frames that are there were used.',
    '文件似乎不完整：标明 {} 秒，实际到 {} 秒为止；已处理现有的帧。',
  ],
  ['The end of the file is missing; the frames up to {} s were used.', '文件末尾缺失；已处理 {} 秒之前的帧。'],
  ['The file is damaged after {} s; the frames up to there were used.', '文件在 {} 秒之后损坏；已处理此前的帧。'],
  [
    'The file is damaged around {} s: some frames may be missing or look wrong.',
    '文件在 {} 秒附近损坏，部分帧可能缺失或显示异常。',
  ],
  [
    'The server stopped each time it worked on this file, so it was given up. Convert the video to H.264 MP4 and try again.',
    '服务器每次处理此文件都会中断，已放弃。请将视频转换为 H.264 MP4 后重试。',
  ],
  ["The server's disk is full: detection goes on by itself when there is room.", '服务器磁盘已满：有空间后检测会自动继续。'],
  ["The server's disk is full: free some space or delete old videos, then try again.", '服务器磁盘已满，请清理空间或删除旧视频后重试。'],
  ['{} videos are waiting already: try again in a minute.', '已有 {} 个视频在排队，请稍后重试。'],
  ['{} recordings are waiting already: try again in a minute.', '已有 {} 个保存任务在排队，请稍后重试。'],
  ['As many viewers as this server takes are connected: try again in a minute.', '观看人数已达上限，请稍后重试。'],
  [
    'As many viewers as this server decodes for are connected: try again in a minute.',
    '由服务器解码的观看人数已达上限，请稍后重试。',
  ],
  ['The server is stopping: try again in a minute.', '服务器正在停止，请稍后重试。'],
  ['The upload broke off: try again.', '上传中断，请重试。'],
  ['The upload stopped coming in: try again.', '上传停止了，请重试。'],
  ['There is no such video; it may have been deleted.', '没有这个视频，可能已被删除。'],
  ['The video was deleted.', '视频已被删除。'],
  ['The video cannot be shown from there: its file has no way to jump.', '此文件无法跳转，不能从该位置显示。'],
  ['Only {} of {} frames could be decoded again; try once more.', '重新解码时只得到 {}/{} 帧，请再试一次。'],
  ['This is not the token of this server.', '令牌不正确。'],
  ['Too many wrong tokens came from your address: try again in {} s.', '错误次数过多，请在 {} 秒后重试。'],
];
