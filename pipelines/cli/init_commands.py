"""``signalbox init``: a project of one's own from a table, a history of alerts, or telemetry."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from rich.console import Console

from pipelines.cli.console import AsJson, one_line_errors, print_json, print_lines
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.project.columns import Table
    from pipelines.project.forms import Guess, Said

COPIED_MB = 500
"""Larger data stay where they are, unless ``--copy`` says otherwise."""
FIRST_STAGE = {"model": "validate", "rules": "alert_history"}
"""Product → stage up to which ``init`` runs: what looks at the data."""
LAST_STAGE = {"model": "report", "rules": "report_rules", "telemetry": "report_incidents"}
DAGS = {"model": "model_release", "rules": "alert_noise_reduction"}


class Written(TypedDict):
    """What ``init --json`` prints: files, guesses (`asks`: a person has to answer), what next."""

    project: str
    products: list[str]
    files: list[str]
    guesses: list[dict[str, Any]]
    next: list[str]


def init(  # noqa: PLR0917  (typer makes options of all but the first)
    name: Annotated[
        str,
        typer.Argument(help="Directory of the project, made if it isn't there; '.' = this one."),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Table for a model: CSV, Parquet, or a folder of Parquet.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column to predict.")] = None,
    positive: Annotated[
        str | None, typer.Option(help="Label that counts as 1; of more than two, the others are 0.")
    ] = None,
    favourable: Annotated[
        str | None, typer.Option(help="Label that is the good outcome for the person.")
    ] = None,
    subject_key: Annotated[
        str | None, typer.Option(help="Column that identifies a person; none = there is none.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column that is no input; once for each.")
    ] = None,
    after_outcome: Annotated[
        list[str] | None, typer.Option(help="Column filled in after the outcome; once for each.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV; tab = a tabulator.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark in CSV.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of CSV, for example latin-1.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Names, with commas, for CSV without a header line.")
    ] = None,
    copy: Annotated[
        bool | None,
        typer.Option(
            "--copy/--link",
            help="Keep the table in the project, under DVC, or read it where it is; default: copy "
            f"up to {COPIED_MB} MB.",
        ),
    ] = None,
    alerts: Annotated[
        Path | None, typer.Option(help="History of alerts: a file or folder, of a documented form.")
    ] = None,
    alertmanager: Annotated[
        Path | None, typer.Option(help="Today's alertmanager.yml; needed with --alerts.")
    ] = None,
    prometheus: Annotated[
        Path | None, typer.Option(help="prometheus.yml, or a folder of one for each Prometheus.")
    ] = None,
    telemetry: Annotated[
        Path | None, typer.Option(help="Folder of metrics, logs and traces, of documented forms.")
    ] = None,
    hold_seconds: Annotated[
        int | None, typer.Option(min=1, help="How long an alert without an end lasts.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask about each guess.")] = False,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Look at the data by running the first stages.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make a project of your own, or add to one: a model, alert rules, incidents.

    Example: signalbox init churn --data customers.parquet --target churned
    """
    with one_line_errors():
        from pipelines.project.forms import Said

        console = Console(stderr=as_json)
        root = Path(name).expanduser().resolve()
        products = [
            product
            for product, given in (("model", data), ("rules", alerts), ("telemetry", telemetry))
            if given is not None
        ]
        _check(root, products, alertmanager, alerts)
        said = Said(
            target=target, positive=positive, favourable=favourable, subject_key=subject_key,
            delimiter="\t" if delimiter in ("tab", "\\t") else delimiter, decimal=decimal,
            encoding=encoding, columns=tuple(columns.split(",")) if columns else (),
            ignore=tuple(ignore or ()), after_outcome=tuple(after_outcome or ()),
        )  # fmt: skip
        plan = Plan(root, products)
        if data is not None:
            plan.add_model(data.expanduser(), said, copy=copy, ask=_asker(console) if ask else None)
        if alerts is not None or telemetry is not None:
            plan.add_telemetry(alerts, alertmanager, prometheus, telemetry, hold_seconds)
        new = not root.exists()
        try:
            plan.write()
        except BaseException:
            if new:
                shutil.rmtree(root, ignore_errors=True)
            raise
        _show(console, plan)
        if run:
            _look(console, plan)
        _next(console, plan)
        if as_json:
            print_json(plan.as_json())


def _check(
    root: Path, products: Sequence[str], alertmanager: Path | None, alerts: Path | None
) -> None:
    from pipelines.project.lock import has_lock

    if not products:
        raise SignalboxError(
            "say what the project is for: --data TABLE --target COLUMN (a model), --alerts HISTORY "
            "--alertmanager FILE (alert rules), --telemetry DIR (incidents)"
        )
    if alerts is not None and alertmanager is None:
        raise SignalboxError("--alertmanager: name the alertmanager.yml that routes these alerts")
    if not {"rules", "telemetry"}.intersection(products) and alertmanager is not None:
        raise SignalboxError("--alerts: name the history of the alerts that --alertmanager routes")
    if root.is_file():
        raise SignalboxError(f"{root}: is a file; name a directory")
    # .git alone is what "git init" or a forge leaves for a new project.
    if root.is_dir() and not has_lock(root):
        others = sorted(path.name for path in root.iterdir() if path.name not in _HARMLESS)
        ours = [name for name in others if name in _OURS]
        if ours:
            raise SignalboxError(
                f"{root}: has {', '.join(ours)}, and was not made by signalbox init; choose "
                "another directory"
            )


_HARMLESS = frozenset({".git", ".gitignore", "README.md", "LICENSE"})
_OURS = frozenset({"params.yaml", "release.yaml", "dvc.yaml", "dags", "expectations"})


class Plan:
    """What is to be written: everything is found out before the first byte is.

    Attributes
    ----------
    root : Path
        The project's top directory.
    products : list of str
        What it is for: ``model``, ``rules``, ``telemetry``.
    guesses : list of Guess
        What was found out.
    files : list of Path
        What was written, relative to `root`.
    """

    def __init__(self, root: Path, products: Sequence[str]) -> None:
        self.root = root
        self.products = list(products)
        self.guesses: list[Guess] = []
        self.files: list[Path] = []
        self.params: list[str] = []
        self.texts: dict[Path, str] = {}
        self.release: dict[str, str] = {}
        self.copies: dict[Path, Path] = {}
        self.sources: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        """Name of the project: that of its directory, as DAG ids may have it."""
        import re

        from pipelines.core.project import project_name

        plain = re.sub(r"[^a-z0-9_-]+", "-", self.root.name.lower()).strip("-_") or "project"
        return project_name(self.root) or plain

    def add_model(
        self,
        data: Path,
        said: "Said",
        *,
        copy: bool | None,
        ask: "Callable[[Table], Said | None] | None",
    ) -> None:
        """Find out everything about a table, and what is to be written for its model."""
        from pipelines.core.artifacts import EXPECTATIONS
        from pipelines.core.tables import RESERVED
        from pipelines.project import columns, forms, model_files

        if _has_section(self.root, "data"):
            raise SignalboxError(
                f"{self.root / 'params.yaml'}: has a section data already, and a project has one "
                "model; take --data out, edit that section, or make another project"
            )
        kind = forms.kind_of(data)
        form, found = forms.csv_form(data, said) if kind == "csv" else ({}, [])
        here = data.resolve()
        copied = _is_small(here) if copy is None else copy
        kept = f"data/source/{data.name}"
        outside = not here.is_relative_to(self.root)
        name = kept if copied and outside else (
            str(here) if outside else here.relative_to(self.root).as_posix())  # fmt: skip
        if copied and outside:
            self.copies[here] = Path(kept)
        read = columns.source_section(kind, [str(here)], str(here), form)
        table = columns.inspect_table(self.name, read, said)
        while ask is not None and (answers := ask(table)) is not None:
            table = columns.inspect_table(self.name, read, answers)
            ask = None
        table.data["source"] = columns.source_section(kind, [name], name, form)
        where = "copied, and kept by DVC" if name == kept else "read where it is"
        rows = len(table.frame)
        width = len([c for c in table.frame.columns if c not in RESERVED])
        self.guesses += [
            forms.Guess("data.source", f"{kind}, {rows:,} rows, {width} columns", where),
            *found,
            *table.guesses,
        ]
        self.params.append(model_files.params_text(table, self.name))
        self.texts[EXPECTATIONS / f"{self.name}.json"] = model_files.suite(table, self.name)
        self.release |= model_files.release_text(table.data["name"], table.sensitive, self.products)

    def add_telemetry(
        self,
        alerts: Path | None,
        alertmanager: Path | None,
        prometheus: Path | None,
        telemetry: Path | None,
        hold_seconds: int | None,
    ) -> None:
        """Find out the forms of a history and of telemetry, and what is to be written for them."""
        from pipelines.project import model_files, telemetry_files

        found = telemetry_files.find_sources(alerts, telemetry, hold_seconds)
        self.sources = [source.settings for source in found if source.settings]
        self.guesses += [source.guess for source in found]
        rules = None
        if alertmanager is not None:
            rules = telemetry_files.rules_files(alertmanager, prometheus)
            self.guesses += rules.guesses
        elif not _has_section(self.root, "aiops"):
            self.texts[Path("alertmanager.yml")] = telemetry_files.NO_ALERTMANAGER
        section = telemetry_files.aiops_text(
            self.root,
            self.name,
            self.sources,
            rules,
            with_rules=alerts is not None,
            with_analysis=telemetry is not None,
        )
        self.params.append(section)
        self.release = model_files.release_text(self.name, {}, self.products) | self.release

    def write(self) -> None:
        """Write the project; where a section or file is there already, it stays."""
        from pipelines.core.files import write_text
        from pipelines.project.model_files import merged
        from pipelines.project.skeleton import write_skeleton

        params = self.root / "params.yaml"
        before = params.read_text(encoding="utf-8") if params.is_file() else ""
        text, kept = merged(before, self.params, params)
        release = self.root / "release.yaml"
        known = release.read_text(encoding="utf-8") if release.is_file() else ""
        released, also = merged(known, list(self.release.values()), release)
        pipeline = self.root / "dvc.yaml"
        new = not pipeline.exists()
        self.files = write_skeleton(self.root, name=self.name, products=self.products)
        if new:
            write_text(pipeline, pipeline.read_text(encoding="utf-8") + OWN_STAGES)
        # The skeleton has put the project's name there.
        named = release.read_text(encoding="utf-8") if release.is_file() else ""
        if not known:
            released = f"{_RELEASE_HEAD}{named.rstrip()}\n\n{released}"
        write_text(params, text)
        write_text(release, released)
        for path, content in self.texts.items():
            write_text(self.root / path, content)
        for source, path in self.copies.items():
            self._copy(source, path)
        self.files += [Path("params.yaml"), Path("release.yaml"), *self.texts]
        self.kept = [*kept, *also]

    def _copy(self, source: Path, path: Path) -> None:
        """Copy a table into the project, and let DVC keep it."""
        to = self.root / path
        to.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, to)
        else:
            shutil.copyfile(source, to)
        _dvc(self.root, "add", "--quiet", path.as_posix())
        self.files += [path, Path(f"{path}.dvc")]

    def as_json(self) -> Written:
        """Return what a program wants to know."""
        from dataclasses import asdict

        return Written(
            project=str(self.root),
            products=self.products,
            files=sorted({path.as_posix() for path in self.files}),
            guesses=[asdict(guess) for guess in self.guesses],
            next=next_commands(self),
        )


_RELEASE_HEAD = """\
# The deployment and the release path. None of this is an input of a stage: a changed approver
# trains nothing again. What isn't here has its default (docs/params.md); null is "not set".
"""


OWN_STAGES = """
  # Stages of your own are tasks of the same DAG. Uncomment what you need, and see docs/own-data.md.
  #
  # Before: features. Point data.source.paths and data.source.watch (params.yaml) at what it writes.
  # features:
  #   cmd: python steps/features.py
  #   deps: [steps/features.py, data/source]
  #   outs: [data/features.parquet]
  #
  # After: a check. Add evidence/own_check.json to the deps of gate and report (gate_rules and
  # report_rules): then gate.checks, KPIs and the report know its figures, own_check.NAME.
  # own_check:
  #   cmd: python steps/own_check.py
  #   deps: [steps/own_check.py, data/split/test.parquet, models/model.skops]
  #   outs: [evidence/own_check.json]
"""
"""What a person may want next in ``dvc.yaml``, as comments."""


def _has_section(root: Path, section: str) -> bool:
    from pipelines.core.settings import read_mapping

    try:
        return section in (read_mapping(root / "params.yaml") or {})
    except FileNotFoundError:
        return False


def _is_small(path: Path) -> bool:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) <= COPIED_MB * 1_000_000


def _asker(console: Console) -> "Callable[[Table], Said | None]":
    """Ask about what was guessed; an empty answer keeps the guess."""

    def ask(table: "Table") -> "Said | None":
        from rich.prompt import Prompt

        from pipelines.project.forms import Said

        data = table.data
        labels = sorted(map(str, table.frame[data["target"]].dropna().unique()))

        def of(question: str, default: str, choices: list[str] | None = None) -> str:
            return Prompt.ask(question, console=console, default=default, choices=choices).strip()

        names = [str(name) for name in table.frame.columns]
        positive = of("Which label counts as 1?", str(data["positive"]), labels)
        favourable = of("Which label is good for the person (skip = decide later)?",
                        str(data.get("favourable") or "skip"), [*labels, "skip"])  # fmt: skip
        key = of("Which column identifies a person (none = no column)?",
                 str(data["subject_key"] or "none"), [*names, "none"])  # fmt: skip
        ignored = of("Which columns are no inputs (with commas)?", ",".join(data["ignore"]) or "-")
        after = of("Which are filled in after the outcome (with commas)?",
                   ",".join(table.suspects) or "-")  # fmt: skip
        return Said(
            target=data["target"], positive=positive if "replace" not in data else data["positive"],
            favourable=None if favourable == "skip" else favourable, subject_key=key,
            ignore=_listed(ignored), after_outcome=_listed(after),
        )  # fmt: skip

    return ask


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip() not in ("", "-"))


def _show(console: Console, plan: Plan) -> None:
    """Print what was guessed, and why; questions last, because they stay."""
    from rich.table import Table as Grid

    products = ", ".join(
        {"model": "a model", "rules": "alert rules"}.get(p, p) for p in plan.products
    )
    what = f"{plan.name}: a project for {products} in {plan.root}"
    print_lines([what], style="bold", console=console)
    for title, asks in (("What was found out", False), ("What only you can say", True)):
        rows = [guess for guess in plan.guesses if guess.asks is asks]
        if not rows:
            continue
        grid = Grid(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
        for _ in range(3):
            grid.add_column(overflow="fold")
        for guess in rows:
            grid.add_row(*map(_plain, (guess.what, guess.value, guess.why)),
                         style="yellow" if asks else "")  # fmt: skip
        console.print(grid)
    if plan.kept:
        print_lines([f"left as it is: {key}" for key in plan.kept], console=console)


def _plain(text: str) -> Any:
    from rich.text import Text

    from pipelines.cli.console import printable

    return Text(printable(text))


def _look(console: Console, plan: Plan) -> None:
    """Run the stages that look at the data, so that what is wrong shows now.

    Raises
    ------
    SignalboxError
        With the stage's own words; the project stays, to be mended there.
    """
    if plan.sources:
        from datetime import UTC, datetime

        from pipelines.aiops.lake.batch import ReadWindow
        from pipelines.aiops.params import load_aiops_params
        from pipelines.aiops.sources.ingest import chosen, describe
        from pipelines.aiops.sources.ingest import ingest as ingest_source

        params = load_aiops_params(plan.root)
        window = ReadWindow(None, None, datetime.now(UTC))
        for source in chosen(params.telemetry, [str(source["name"]) for source in plan.sources]):
            print_lines([f"{source.name} ({source.kind}) …"], console=console)
            done = ingest_source(params, source, window, plan.root)
            print_lines(describe(done).splitlines(), console=console)
    for product in plan.products:
        if (stage := FIRST_STAGE.get(product)) is not None:
            print_lines([f"dvc repro {stage} …"], console=console)
            for line in _own_lines(_dvc(plan.root, "repro", stage)):
                print_lines([f"  {line}"], console=console)


_NOISE = ("dvc config", "dvc push", "Running stage", "> ", "Generating lock", "Updating lock",
          "Use `dvc push`", "To track the changes", "To enable auto", "git add", "'data/source",
          "Stage '")  # fmt: skip


def _own_lines(output: str) -> Iterable[str]:
    """Lines of a stage's own, without those of DVC."""
    for line in output.splitlines():
        if line.strip() and not line.strip().startswith(_NOISE):
            yield line.strip()


def _dvc(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if ": error: " in line]
        raise SignalboxError(
            f"dvc {' '.join(arguments)} in {root}: {' '.join(errors) or done.stderr.strip()}; the "
            "project is written: mend params.yaml there, and run it again"
        )
    return done.stdout


def next_commands(plan: Plan) -> list[str]:
    """Return what to type next, in order."""
    last = " ".join(LAST_STAGE[product] for product in plan.products)
    dags = " ".join(DAGS[product] for product in plan.products if product in DAGS)
    commands = [
        f"cd {plan.root}",
        "git add --all && git commit -m 'signalbox init'",
        f"dvc repro {last}",
    ]
    return [*commands, *([f"signalbox run {dags}"] if dags else ["signalbox ui"])]


def _next(console: Console, plan: Plan) -> None:
    blanks = "params.yaml (QUESTION, not filled in) and release.yaml (null)"
    told: Mapping[str, str] = dict(zip(
        next_commands(plan),
        ("", "", "to the report, without Airflow", "in Airflow, with question and ledger"),
        strict=False))  # fmt: skip
    print_lines(["next:", *(f"  {command}" + (f"  # {why}" if why else "")
                            for command, why in told.items()),
                 f"what stays red is answered in {blanks}"], console=console)  # fmt: skip
