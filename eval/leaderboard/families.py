"""How metrics are put together on a page."""

import re

HEADLINE = (
    "fid_incep2015", "fvd16_i3d400", "fvd32_i3d400", "lse_c_tracked", "lse_d_tracked",
    "csim_gt_arcface-w600k_r50", "csim_src_mbf128", "bas_gain", "blink_rate", "lip_audio_corr",
    "m_lmd_iod", "fid_mfn128", "fd_pose", "real_time_factor",
)  # fmt: skip
"""Shown first: the paper's columns, and what stands in for them without weights."""

FAMILIES: dict[str, str] = {
    "Lip sync": r"lse_|av_offset|asd_|lip_audio|m_lmd|thl_lip|silent_lip",
    "Identity": r"csim_|fid_mfn",
    "Pictures": r"fid_|kid_|fvd|dr\d|psnr|ssim|ms_ssim|lpips|flicker",
    "Motion": r"fd_|bas_|blink|f_lmd|head_jerk|pose_std|thl_",
    "Speed and coverage": r"real_time|face_rate",
}
"""Family -> how its metrics' names begin; the first that matches counts."""


def family(metric: str) -> str:
    """The family of a metric."""
    return next((name for name, begins in FAMILIES.items() if re.match(begins, metric)), "Other")
