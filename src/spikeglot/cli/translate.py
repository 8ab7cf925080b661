"""``spikeglot translate``: rates of some units from some others, or the matrix of all regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeglot.cli.arguments import Translate
from spikeglot.cli.data import read_data
from spikeglot.cli.output import Output, check_writable
from spikeglot.cli.progress import ProgressBars
from spikeglot.errors import DataError, SettingsError

if TYPE_CHECKING:
    from spikeglot.api.translate import Translation
    from spikeglot.data.sessions import Sessions


def run(arguments: Translate, output: Output) -> None:
    """Predict, write, print the scores."""
    if arguments.matrix:
        _matrix(arguments, output)
    else:
        _translate(arguments, output)


def _translate(arguments: Translate, output: Output) -> None:
    """One .npz of rates per session, and the scores of the model beside what is known without it."""
    from spikeglot.api.common import load_run
    from spikeglot.api.translate import draw_translation, translate, write_translation
    from spikeglot.viz.translation import translation_table

    for side, names in (("--source", arguments.source), ("--target", arguments.target)):
        if not names:
            raise SettingsError(f"{side} names nothing. Name regions or unit ids, or give --matrix for all regions.")
    if arguments.by is not None and arguments.raster is None:
        raise SettingsError("--by says what a figure averages. Name the figure with --raster, or leave --by out.")
    is_file = arguments.out.suffix == ".npz"
    check_writable(arguments.out, suffix=".npz" if is_file else "")
    if arguments.raster is not None:
        check_writable(arguments.raster, suffix=".png")
    checkpoint = load_run(arguments.run)
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
        if is_file and len(sessions) > 1:
            raise SettingsError(f"{len(sessions)} sessions do not fit into one .npz. Name a folder with --out.")
        found, problems = [], []
        for session in sessions:
            try:
                found.append(
                    translate(
                        checkpoint,
                        session,
                        source=arguments.source,
                        target=arguments.target,
                        trials=arguments.trials,
                        prompt=arguments.prompt,
                        memory_mb=arguments.memory_mb,
                        listen=bars,
                    )
                )
            except DataError as problem:
                problems.append(str(problem))
    if problems:
        raise DataError("\n".join(problems))
    if arguments.raster is not None:
        draw_translation(found[0], arguments.raster, by=arguments.by, sort=arguments.sort)
    paths = [write_translation(one, _place(arguments.out, is_file, one)) for one in found]
    scores = [_plain(one, path) for one, path in zip(found, paths, strict=True)]
    output.result(translation_table([one.scores for one in found]), data={"translations": scores})
    for one, path in zip(found, paths, strict=True):
        output.hint(f"Wrote {path} ({one}).")
    if arguments.raster is None:
        output.hint("Next: the same with --raster raster.png draws data beside prediction.")
        return
    output.hint(f"Wrote {arguments.raster} (session {found[0].counts.session_id}).")


def _matrix(arguments: Translate, output: Output) -> None:
    """The table of all regions from all regions, and the figure beside it."""
    from spikeglot.api.common import load_run
    from spikeglot.api.region_matrix import region_matrix
    from spikeglot.evaluation.scores import check_scores_path, write_table
    from spikeglot.viz.matrix import plot_region_matrix
    from spikeglot.viz.translation import matrix_table

    given = {"--source": arguments.source, "--target": arguments.target, "--raster": arguments.raster}
    for flag, value in given.items():
        if value:
            raise SettingsError(f"{flag} does not go with --matrix, which is of all regions. Leave one of them out.")
    figure = arguments.out.with_suffix(".png")
    check_scores_path(arguments.out)
    check_writable(arguments.out, suffix=arguments.out.suffix)
    check_writable(figure, suffix=".png")
    checkpoint = load_run(arguments.run)
    with ProgressBars(output.stderr) as bars:
        sessions = read_data(arguments.data, bars)
        matrix = region_matrix(
            checkpoint, sessions, prompt=arguments.prompt, memory_mb=arguments.memory_mb, listen=bars
        )
    write_table(matrix, arguments.out)
    plot_region_matrix(matrix, figure, title=_title(sessions))
    output.result(matrix_table(matrix), data={"matrix": str(arguments.out), "rows": matrix.to_dict(orient="records")})
    output.hint(f"Wrote {arguments.out} ({len(matrix):,} rows) and {figure}.")


def _place(out: Path, is_file: bool, translation: Translation) -> Path:
    """The file of one session: its id, without what no file name may hold."""
    name = translation.counts.session_id.replace("/", "_").replace("\\", "_")
    return out if is_file else out / f"{name}.npz"


def _plain(translation: Translation, path: Path) -> dict[str, Any]:
    """A translation as values for --json."""
    scores = translation.scores
    columns = ["model", "metric", "null", "aggregation", "n_spikes", "value"]
    summary = scores.loc[scores["aggregation"] != "unit", columns]
    return {
        "session_id": translation.counts.session_id,
        "rates": str(path),
        "trials": translation.trials_of,
        "n_trials": translation.counts.n_trials,
        "n_source_units": len(translation.source),
        "n_target_units": translation.counts.n_units,
        "scores": summary.to_dict(orient="records"),
    }


def _title(sessions: Sessions) -> str:
    return sessions[0].session_id if len(sessions) == 1 else f"mean of {len(sessions)} sessions"
