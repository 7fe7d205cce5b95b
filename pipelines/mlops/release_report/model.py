"""Chapter "Model": what was tried, what was chosen, what it sees, where it cuts."""

from typing import Any

from pydantic import Field

from pipelines.core.artifacts import MODEL_INFO, evidence_of
from pipelines.mlops.data.columns import decision_words
from pipelines.mlops.modeling.info import Input
from pipelines.mlops.modeling.inputs import LeftOut
from pipelines.mlops.modeling.scoring import Importance as ColumnImportance
from pipelines.mlops.release_report.inputs import Inputs, Number, Shape
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Chart,
    Charts,
    Column,
    Facts,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
    name,
    names,
)
from pipelines.reporting.charts.curves import Axis, Curve, curves
from pipelines.reporting.charts.forest import Estimate, forest


class Chosen(Shape):
    """The winner of the search.

    Attributes
    ----------
    kind : str
        Kind of model.
    settings : dict of str to object
        Hyperparameters.
    """

    kind: str
    settings: dict[str, Any]


class Selection(Shape):
    """How the winner was chosen.

    Attributes
    ----------
    metric : str
        Metric that decides.
    rule : str
        Rule that decides among candidates within the error.
    folds : int
        Folds of the cross-validation.
    how : str
        Method in words.
    """

    metric: str
    rule: str
    folds: int
    how: str = ""


class Trial(Chosen):
    """One candidate of the search.

    Attributes
    ----------
    chosen : bool
        Whether it won.
    converged : bool
        Whether the fit converged.
    mean, std : dict of str to float or None
        Metric to its mean and standard deviation over folds.
    """

    chosen: bool
    converged: bool = True
    mean: dict[str, Number]
    std: dict[str, Number]


class Calibration(Shape):
    """How scores became probabilities.

    Attributes
    ----------
    method : str
        Name of the method.
    how : str
        Method in words.
    class_weight : str
        Weights of the classes.
    """

    method: str
    how: str
    class_weight: str


class At(Shape):
    """What a threshold does on validation data.

    Attributes
    ----------
    threshold : float
        Threshold of the probability.
    selection_rate, accuracy, precision, recall : float or None
        Measures at the threshold.
    """

    threshold: float
    selection_rate: Number = None
    accuracy: Number = None
    precision: Number = None
    recall: Number = None


class Threshold(Shape):
    """The decision threshold.

    Attributes
    ----------
    value : float
        Threshold of the probability.
    rule : str
        Rule that chose it.
    words : str
        The rule in words.
    at : At
        Measures at the threshold.
    curve : list of At
        Measures at other thresholds.
    """

    value: float
    rule: str
    words: str
    at: At
    curve: list[At] = Field(default_factory=list)


class Importance(Shape):
    """Permutation importance (Breiman 2001).

    Attributes
    ----------
    how : str
        Method in words.
    rows : int
        Number of rows.
    columns : list of ColumnImportance
        Importance by column.
    """

    how: str
    rows: int
    columns: list[ColumnImportance]


class Trained(Shape):
    """`details` of ``train``.

    Attributes
    ----------
    rows : dict of str to int
        Part of the split to rows.
    chosen : Chosen
        The winner of the search.
    selection : Selection
        How it was chosen.
    search : list of Trial
        All candidates.
    calibration : Calibration
        How scores became probabilities.
    threshold : Threshold
        The decision threshold.
    inputs : list of Input
        Columns that the model sees.
    left_out : list of LeftOut
        Columns that it doesn't see.
    importance : Importance or None
        None if not computed.
    notes : list of str
        Remarks in words.
    """

    rows: dict[str, int]
    chosen: Chosen
    selection: Selection
    search: list[Trial]
    calibration: Calibration
    threshold: Threshold
    inputs: list[Input]
    left_out: list[LeftOut] = Field(default_factory=list)
    importance: Importance | None = None
    notes: list[str] = Field(default_factory=list)


METRICS = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "neg_log_loss": "Log loss",
    "neg_brier_score": "Brier score",
}


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about the model.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    trained = inputs.details("train", Trained)
    blocks: list[Block] = [
        _facts(trained, inputs),
        Section("search", "What was tried", _search(trained, inputs)),
        Section("threshold", "Threshold", _threshold(trained, inputs)),
        Section("inputs", "What the model sees", _seen(trained, inputs)),
    ]
    if trained.notes:
        blocks.append(Section("model-notes", "Worth knowing", [Items(trained.notes)]))
    return Chapter("model", "Model", blocks)


def settings_text(settings: dict[str, Any]) -> str:
    """Write settings as "key value" pairs.

    Parameters
    ----------
    settings : dict of str to object
        Hyperparameters.

    Returns
    -------
    str
        Words.
    """
    return ", ".join(f"{key} {value}" for key, value in settings.items()) or "defaults"


def kind_text(kind: str) -> str:
    """Write the kind of model as words.

    Parameters
    ----------
    kind : str
        Kind of model.

    Returns
    -------
    str
        Words.
    """
    return kind.replace("_", " ")


def _facts(trained: Trained, inputs: Inputs) -> Facts:
    chosen = trained.chosen
    return Facts(
        [
            ("Kind", join(kind_text(chosen.kind), inputs.sources.mark(MODEL_INFO))),
            ("Settings", settings_text(chosen.settings)),
            ("Fitted on", f"{numbers.count(trained.rows.get('train'))} rows"),
            ("Calibration", trained.calibration.how),
            ("Class weights", trained.calibration.class_weight),
            ("Seed", str(inputs.params.train.seed)),
        ]
    )


def _search(trained: Trained, inputs: Inputs) -> list[Block]:
    selection = trained.selection
    shown = [m for m in METRICS if any(m in t.mean for t in trained.search)]
    chosen_by = METRICS.get(selection.metric, selection.metric)
    return [
        Prose(f"Chosen by {chosen_by}: {selection.rule}."),
        Table(
            caption=f"{len(trained.search)} candidates, {selection.folds}-fold cross-validation",
            mark=inputs.sources.mark(evidence_of("train")),
            columns=[
                Column("Kind and settings", wide=True),
                *(Column(METRICS[m], numeric=True) for m in shown),
            ],
            rows=[_trial(trial, shown) for trial in trained.search],
            note="Mean over folds ± standard deviation between folds, before calibration. For log "
            "loss (nats) and Brier score, lower is better.",
        ),
    ]


def _trial(trial: Trial, shown: list[str]) -> Row:
    remarks = ["chosen"] if trial.chosen else []
    if not trial.converged:
        remarks.append("stopped at its limit of iterations")
    remark = f" ({', '.join(remarks)})" if remarks else ""
    about = f"{kind_text(trial.kind)}{remark}: {settings_text(trial.settings)}"
    return Row([about, *(_score(trial, metric) for metric in shown)], strong=trial.chosen)


def _score(trial: Trial, metric: str) -> str:
    mean, std = trial.mean.get(metric), trial.std.get(metric)
    if mean is None:
        return numbers.NONE
    value = -mean if metric.startswith("neg_") else mean
    return f"{numbers.decimal(value)} ± {numbers.decimal(std)}"


def _threshold(trained: Trained, inputs: Inputs) -> list[Block]:
    threshold = trained.threshold
    at = threshold.at
    mark = inputs.sources.mark(evidence_of("train"))
    selected = decision_words(inputs.params.data).selected
    blocks: list[Block] = [
        Prose(
            join(
                f"A row is {selected} when its score is at or above {threshold.value:.4g}. ",
                f"Rule: {threshold.words}.",
                inputs.sources.figure_mark("train.threshold"),
            )
        ),
        Facts(
            [
                (f"{selected.capitalize()} (validation)", numbers.percent(at.selection_rate)),
                ("Accuracy (validation)", numbers.percent(at.accuracy)),
                ("Precision (validation)", numbers.percent(at.precision)),
                ("Recall (validation)", numbers.percent(at.recall)),
            ]
        ),
    ]
    if len(threshold.curve) > 1:
        blocks.append(Charts([_threshold_chart(threshold, mark)]))
    return blocks


def _threshold_chart(threshold: Threshold, mark: Text) -> Chart:
    def through(attribute: str) -> list[tuple[float, float]]:
        selecting = [p for p in threshold.curve if p.selection_rate]
        pairs = ((p.threshold, getattr(p, attribute)) for p in selecting)
        return sorted((a, b) for a, b in pairs if b is not None)

    lines = [
        Curve(through("accuracy"), "accuracy"),
        Curve(through("precision"), "precision"),
        Curve(through("recall"), "recall"),
    ]
    point = None
    if threshold.at.accuracy is not None:
        point = ((threshold.value, threshold.at.accuracy), f"chosen {threshold.value:.3g}")
    svg = curves(
        "Accuracy, precision and recall by threshold, on validation data",
        Axis("threshold on the score"),
        Axis("share"),
        [line for line in lines if len(line.points) > 1],
        point=point,
    )
    return Chart(svg, "What other thresholds would have done, on validation data.", mark)


def _seen(trained: Trained, inputs: Inputs) -> list[Block]:
    mark = inputs.sources.mark(evidence_of("train"))
    blocks: list[Block] = [_inputs_table(trained, mark)]
    if trained.left_out:
        blocks.append(
            Table(
                caption="Columns the model does not see",
                mark=mark,
                columns=[Column("Column"), Column("Why", wide=True)],
                rows=[Row([name(c.name), c.reason]) for c in trained.left_out],
            )
        )
    return blocks


def _inputs_table(trained: Trained, mark: Text) -> Table:
    found = trained.importance.columns if trained.importance else []
    leaned = {item.name: item for item in found}
    order = {item.name: position for position, item in enumerate(found)}
    rises = [Estimate(item.log_loss_rise) for item in found]
    axis = forest(rises, include=(0.0,))
    rows = [
        Row(
            [
                name(c.name),
                _values(c),
                numbers.percent(c.missing_share),
                numbers.decimal(leaned[c.name].log_loss_rise if c.name in leaned else None, 4),
                axis.row(
                    Estimate(leaned[c.name].log_loss_rise if c.name in leaned else None),
                    f"{c.name}: rise of log loss",
                ),
            ]
        )
        for c in sorted(trained.inputs, key=lambda c: order.get(c.name, len(order)))
    ]
    return Table(
        caption=f"{len(trained.inputs)} inputs, those the model leans on most first",
        mark=mark,
        columns=[
            Column("Column"),
            Column("Values in training data", wide=True),
            Column("Missing", numeric=True),
            Column("Importance (nats)", numeric=True),
            Column("Rise of log loss when shuffled (nats)", chart=True),
        ],
        rows=rows,
        foot=["", "", "", "", axis.axis("Axis: rise of log loss in nats")],
        note=_importance_note(trained.importance),
    )


def _importance_note(importance: Importance | None) -> str:
    if importance is None or not importance.columns:
        return "Importance was not measured."
    return f"Importance: {importance.how} ({numbers.count(importance.rows)} rows)."


def _values(column: Input) -> Text:
    if column.kind == "numeric":
        return f"numbers from {column.low:g} to {column.high:g}"
    shown = names(column.categories[:4])
    more = len(column.categories) - 4
    rare = (
        f"; rare values that count as unknown: {column.other_values}" if column.other_values else ""
    )
    return join(shown, f" and {more} more" if more > 0 else "", rare)
