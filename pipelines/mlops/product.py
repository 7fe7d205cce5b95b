"""What `pipelines.mlops` releases: an entry point in ``pyproject.toml``."""

from pipelines.core.artifacts import MODEL, MODEL_INFO, RELEASED, REPORT_HTML, TRAIN, evidence_of
from pipelines.release.products import DemoData, Product

MODEL_RELEASE = Product(
    name="model_release",
    title="Model release",
    artifacts=(MODEL.as_posix(), MODEL_INFO.as_posix(), TRAIN.as_posix()),
    gate="gate",
    pointer=RELEASED.as_posix(),
    report=REPORT_HTML.as_posix(),
    demo=DemoData(
        evidence_of("ingest").as_posix(),
        # The sample of UCI Adult that comes with the repository, unpacked.
        frozenset(
            {
                "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
            }
        ),
    ),
)
