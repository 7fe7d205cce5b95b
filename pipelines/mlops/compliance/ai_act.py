"""EU AI Act, Regulation (EU) 2024/1689: Annex IV and Articles 9, 10, 12, 14, 15.

Wording paraphrased after the text in OJ L, 2024/1689, 12.7.2024.
"""

from pipelines.core.artifacts import DATA_DOCS, MODEL_INFO, REPORT_HTML, REPORT_JSON
from pipelines.mlops.compliance.facts import Facts
from pipelines.mlops.compliance.requirement import Check, Law, Requirement

TEXT = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"
APPLIES = (
    "Binding for high-risk systems (Article 6, Annexes I and III). Whether this model is one is "
    "for its provider to decide; this shows where it would stand. Later acts can change dates and "
    "wording: check the consolidated text."
)


def annex_iv(facts: Facts) -> Law:
    """Hold the technical documentation against Annex IV."""
    return Law("annex-iv", "EU AI Act, Annex IV: technical documentation", "AI Act, Annex IV",
               APPLIES, TEXT, [
        Requirement(
            "ai_act.annex_iv.1", "Annex IV(1)", "General description",
            "Intended purpose, provider, version and its relation to earlier ones, software "
            "versions, hardware, forms in which it is supplied, instructions for use.",
            [
                facts.said(facts.params.report.purpose, "Purpose", "report.purpose"),
                facts.said(facts.params.report.owner, "Who answers for it", "report.owner"),
                facts.logged("Version", "release"),
                facts.file("requirements.lock", "Versions of all software"),
                facts.document("instructions", "Instructions for use"),
            ]),
        Requirement(
            "ai_act.annex_iv.2a-c", "Annex IV(2)(a)–(c)", "Development, design, architecture",
            "Methods and steps of development, general logic, key design choices with their "
            "rationale, what is optimised for, trade-offs, how components fit together.",
            [
                facts.file("dvc.yaml", "Steps from data to decision, as they run"),
                facts.detail("train", "search", "Candidates that were tried, and their figures"),
                facts.detail("train", "threshold", "Operating point, and why"),
                facts.file(MODEL_INFO.as_posix(), "The model as it was saved"),
            ]),
        Requirement(
            "ai_act.annex_iv.2d", "Annex IV(2)(d)", "Data",
            "Training data: provenance, scope, main characteristics, how obtained and selected, "
            "labelling, cleaning.",
            [
                facts.detail("ingest", "files", "Source files with hashes"),
                facts.detail("ingest", "columns", "Columns, types, missing values"),
                facts.detail("validate", "rules", "Expectations the data was checked against"),
                facts.detail("split", "parts", "Sizes of the parts"),
            ]),
        Requirement(
            "ai_act.annex_iv.2e", "Annex IV(2)(e)", "Human oversight",
            "Assessment of the oversight measures of Article 14, with technical measures that help "
            "those who use the output to interpret it.",
            [
                facts.decided("A person decided on the release"),
                facts.detail("train", "importance", "What the model leans on"),
                facts.file(REPORT_HTML.as_posix(), "Report for those who decide"),
            ]),
        Requirement(
            "ai_act.annex_iv.2g", "Annex IV(2)(g)", "Validation and testing",
            "Procedures and data of validation and testing, metrics of accuracy, robustness and "
            "potentially discriminatory impact, test logs and reports dated and signed by those "
            "responsible.",
            [
                facts.figure("evaluate.roc_auc"),
                facts.figure("evaluate.calibration_error"),
                facts.detail("bias_audit", "audit", "Figures by group and combination of groups"),
                facts.detail("evaluate", "slices", "Figures by slice"),
                facts.logged("Dated and signed record of the tests", "gate"),
            ],
            "The ledger's signature is that of a machine's key. Which person is responsible stands "
            "in its approval entries."),
        Requirement(
            "ai_act.annex_iv.2h", "Annex IV(2)(h)", "Cybersecurity",
            "Measures put in place.",
            [facts.document("cybersecurity", "Cybersecurity measures")]),
        Requirement(
            "ai_act.annex_iv.3", "Annex IV(3)", "Monitoring, functioning, control",
            "Capabilities and limits, accuracy for the groups of people it is meant for, "
            "foreseeable unintended outcomes, oversight, what input data must be like.",
            [
                facts.figure("evaluate.worst_slice_accuracy"),
                facts.detail("bias_audit", "audit", "Accuracy by group"),
                facts.detail("train", "inputs", "Inputs with their known ranges"),
                facts.said(facts.params.report.not_for, "Not for", "report.not_for"),
            ]),
        Requirement(
            "ai_act.annex_iv.4", "Annex IV(4)", "Why these metrics",
            "Why the performance metrics are appropriate for this system.",
            [_reasons(facts)]),
        Requirement(
            "ai_act.annex_iv.5", "Annex IV(5)", "Risk management system",
            "Detailed description in accordance with Article 9.",
            [facts.document("risks", "Risks and measures"), _policy(facts)]),
        Requirement(
            "ai_act.annex_iv.6", "Annex IV(6)", "Changes through the lifecycle",
            "Relevant changes made by the provider.",
            [
                facts.logged("Runs and releases", "run", "release", "rollback"),
                facts.file("dvc.lock", "Hashes of every stage's inputs and outputs"),
            ]),
        Requirement(
            "ai_act.annex_iv.7", "Annex IV(7)", "Standards applied",
            "List of harmonised standards applied in full or in part, or of other solutions.",
            [facts.said(", ".join(facts.own.standards), "Standards", "compliance.standards")]),
        Requirement(
            "ai_act.annex_iv.8", "Annex IV(8)", "EU declaration of conformity",
            "A copy of the declaration of Article 47.",
            [facts.document("declaration", "EU declaration of conformity")]),
        Requirement(
            "ai_act.annex_iv.9", "Annex IV(9)", "Post-market monitoring",
            "The system and plan by which performance is evaluated after release (Article 72).",
            [
                facts.document("post_market", "Post-market monitoring plan"),
                facts.monitored("Monitoring at work"),
            ]),
    ])  # fmt: skip


def articles(facts: Facts) -> Law:
    """Hold the release against Articles 9, 10, 12, 14 and 15."""
    return Law("ai-act", "EU AI Act, Articles 9 to 15", "AI Act, Art. 9–15", APPLIES, TEXT, [
        Requirement(
            "ai_act.9.2", "Article 9(2)", "Risks identified, evaluated, treated",
            "A continuous process: known and foreseeable risks, also under foreseeable misuse; "
            "risks that monitoring shows; targeted measures.",
            [facts.document("risks", "Risks and measures"), _policy(facts),
             facts.monitored("Monitoring")]),
        Requirement(
            "ai_act.9.6-8", "Article 9(6)–(8)", "Testing against metrics set beforehand",
            "Testing to find the right measures, against prior defined metrics and probabilistic "
            "thresholds that fit the purpose, before the system is put into service.",
            [_policy(facts),
             facts.detail("gate", "checks", "Verdict of every check, with its interval"),
             facts.logged("Time of the test, before the release", "gate")],
            "The thresholds themselves are the provider's judgement; the Act names no number."),
        Requirement(
            "ai_act.10.2", "Article 10(2)", "Data governance",
            "Design choices, origin of the data, preparation, assumptions, suitability, "
            "examination for biases likely to harm or discriminate, measures against them, gaps in "
            "the data.",
            [
                facts.detail("ingest", "files", "Origin"),
                facts.detail("validate", "rules", "Preparation: rules, quarantine with reasons"),
                facts.detail("bias_audit", "audit", "Examination for bias"),
                facts.detail("bias_audit", "mitigation", "What a measure against bias would do"),
            ]),
        Requirement(
            "ai_act.10.3", "Article 10(3)", "Quality of the data",
            "Relevant, sufficiently representative and, to the best extent possible, free of "
            "errors and complete; appropriate statistical properties as regards the people "
            "concerned.",
            [
                facts.figure("validate.quarantined_share"),
                facts.figure("drift.drifted_share"),
                facts.said(facts.own.representative, "Why the data stands for those it is used on",
                           "compliance.representative"),
            ],
            "Shares in quarantine and drift are stand-ins for “free of errors” and "
            "“representative”."),
        Requirement(
            "ai_act.12", "Article 12(1)–(2)", "Record-keeping",
            "Events are recorded automatically over the lifetime, so that risks, substantial "
            "changes and operation can be traced.",
            [
                facts.logged("Runs", "run"),
                facts.logged("Decisions of the gate", "gate"),
                facts.logged("Releases and rollbacks", "release", "rollback"),
                facts.logged("Uses of the model, alarms", "scoring", "alarm"),
                facts.used("Use of the model"),
            ]),
        Requirement(
            "ai_act.14", "Article 14(4)", "Human oversight",
            "People can understand capacities and limits, stay aware of automation bias, interpret "
            "the output, decide not to use it, and intervene or stop.",
            [
                facts.file(REPORT_HTML.as_posix(), "Capacities and limits, for those who decide"),
                facts.decided("A named person decided"),
                facts.logged("Releases and ways back", "release", "rollback"),
                facts.said(facts.own.contest, "How a single decision is overridden",
                           "compliance.contest"),
            ],
            "Approval of a release is oversight of the model, not of each decision it supports."),
        Requirement(
            "ai_act.15.1-3", "Article 15(1)–(3)", "Accuracy",
            "An appropriate level of accuracy, held over the lifecycle; levels and metrics "
            "declared in the instructions for use.",
            [
                facts.figure("evaluate.accuracy"),
                facts.figure("evaluate.roc_auc"),
                facts.file(REPORT_JSON.as_posix(), "Levels declared, for machines"),
                facts.document("instructions", "Instructions for use"),
            ],
            "What level is appropriate is the provider's judgement; see the gate's reasons."),
        Requirement(
            "ai_act.15.4", "Article 15(4)", "Robustness",
            "As resilient as possible to errors, faults and inconsistencies; feedback loops of "
            "systems that keep learning are addressed.",
            [
                facts.detail("validate", "counts", "Broken input is set aside, and counted"),
                facts.file(DATA_DOCS.as_posix(), "Rules on input data"),
                facts.figure("drift.largest_distance"),
                facts.document("robustness", "Tests with disturbed input"),
            ]),
        Requirement(
            "ai_act.15.5", "Article 15(5)", "Cybersecurity",
            "Resilient to attempts to alter use, output or performance: poisoning, adversarial "
            "input, attacks on confidentiality.",
            [
                facts.document("cybersecurity", "Cybersecurity measures"),
                facts.file("dvc.lock", "Hashes show data or models that were swapped"),
            ]),
    ])  # fmt: skip


def _policy(facts: Facts) -> Check:
    checks = facts.params.gate.checks
    shown = f"Policy with {len(checks)} checks: what each protects, threshold, owner, reason"
    there = bool(checks) and facts.has("params.yaml")
    return Check(shown, there, ("params.yaml",) * there, from_evidence=True)


def _reasons(facts: Facts) -> Check:
    checks = facts.params.gate.checks
    bare = [check.id for check in checks if not check.reason.strip()]
    shown = f"Reason given for {len(checks) - len(bare)} of {len(checks)} checks"
    there = bool(checks) and not bare and facts.has("params.yaml")
    return Check(shown, there, ("params.yaml",) * there, from_evidence=True)
