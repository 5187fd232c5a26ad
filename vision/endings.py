"""How the names of video files end. Those of pictures are in vision.pictures."""

VIDEO_SUFFIXES = {
    *(".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264", ".h265"),
    *(".hevc", ".ivf", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg"),
    *(".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"),
    *(".wtv", ".y4m"),
}
# FFmpeg's names for the formats without a header: a short file of one cannot be recognised by its content.
HEADERLESS = {
    **dict.fromkeys((".ts", ".m2t", ".m2ts", ".mts"), "mpegts"),
    **dict.fromkeys((".mpg", ".mpeg", ".mpe", ".vob"), "mpeg"),
    **dict.fromkeys((".m2v", ".mpv"), "mpegvideo"),
    **dict.fromkeys((".h264", ".264"), "h264"),
    **dict.fromkeys((".h265", ".265", ".hevc"), "hevc"),
    **dict.fromkeys((".mjpeg", ".mjpg"), "mjpeg"),
    ".dv": "dv",
}
