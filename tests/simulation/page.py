"""The page of the documentation: what is simulated and checked, and how soon planted mistakes are found."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from ordergate.application.ports.leases import SEND_S
from tests.simulation import bugs

PATH: Final = Path(__file__).parents[2] / "docs" / "reference" / "simulation.md"
WITHIN: Final = 1_500

TEXT: Final = """<!-- Made by: python -m tests.simulation --table -->
# The simulation

The real engine, runner, journal (SQLite on a real file), dispatcher, settlement, reconciler, workers, outlet and paper
venue run on a virtual clock, in a world in which everything that may go wrong does. Every choice is drawn from one
number, so a run can be had again, to the byte of its journal.

There are two kinds of run. In seven of ten, one gate has the file. In three of ten, two or three nodes share a store
that behaves as PostgreSQL does: turns under a lock on the journal's end, a COMMIT that takes effect or does not
whatever its client learns of it, leases by the store's own clock, news that may be lost. The nodes, their turns, the
following of what others write, leases and sessions are the real code; the store's side is simulated, and keeps what
it is given in the same SQLite tables.

```
python -m tests.simulation                                  # 1,000 runs
python -m tests.simulation --seeds 5000 --first 1000        # others
python -m tests.simulation --first 90 --seeds 1 --trace     # one of them again, with all that happens in it
```

In half of the runs the venue tells of the account, and the reconciler compares every 7, 20 or 60 s under one of its
policies: alert, halt, correct. Statements name orders and executions or, in three of ten of these runs, have only the sums
of positions and money. Most such venues are honest, only slow. A quarter of them hide something that moves the account and
that no report and no lookup ever tells; an eighth say what is not so.

[Failover](../howto/route.md#failover) has random schedules of its own (`tests/simulation/test_failover_schedules.py`): one
gate with three such brokers in a route, which are away, refuse logins, lose and delay; orders, cancels, halts, and restarts.

A run that finds something says what, and the command that shows it. The dice depend on the code as far as the code
decides what is asked of them: after a change of the code, the same number is another run.

## What goes wrong

| where | what |
| --- | --- |
| scheduling | of all callbacks that are ready any may be next; timers are late; some steps are held up for milliseconds |
| the process | dies at any step, before, within and after a commit, up to four times; is stopped in good order; comes back on the same files after up to 20 s |
| the disk | is full for seconds; commits fail, or their answers are lost, done or not; reads fail; fsync fails; commits take their time |
| requests | do not leave, are lost, are repeated on the way (where the venue knows repeats), arrive up to 29.9 s later and overtake each other, arrive and stay without answer, are answered late or never; the adapter raises or gives up; for a minute much of that at once |
| lookups, snapshots | fail, raise, never answer, miss what is there (where the venue does not promise to prove absence), are incomplete |
| reports | are late by seconds, doubled, reordered within and across orders; the stream breaks and all later ones are lost, until the next session replays from its cursor; the line is dead for a minute |
| the venue | fills in parts, refuses, ends orders of all times in force when their time is over, corrects and busts trades at any time; in two of five runs it closes by itself what orders have opened, in parts, under ids of its own; in three of five runs it does not know GTD, or GTD and DAY, or OPG |
| statements | fail, never come, come 25 s late, have every second row and say so; orders and reports are under way meanwhile |
| what is hidden | a trade that only the sums show; a trade of one of our orders, or of somebody else's, that statements name; money that is moved |
| lies | a success without an order; executions of an unknown order, of a negative quantity, on the wrong side, in another symbol; an order that has ended works again; more is executed than was ordered, and stands in the account; all of it is said more than once |
| clients | talk to any node, ask concurrently with one key, repeat, hang up, use a key with other content, cancel and replace whenever |
| the shared store | commits fail, hang, come seconds late after their client has given up, lose their answer before or after they took effect; reads are slow or fail; nobody reaches it, or one node does not, for seconds; whoever waits for a turn ends the connection of who holds it for too long |
| the nodes | one dies (as by kill -9) anywhere, in a turn too: what it had begun is rolled back; one stands still (as by kill -STOP) for up to 20 s, anywhere: in its turn, with a lease just given, between its last look at the lease and the bytes on the line; their clocks differ by up to 4 s; one never comes back |
| leases, news | renewals are slow, fail, or are not answered; news is late, lost or doubled |
| the outlet's consumer | fails before, within and after taking entries |

Four kinds of venue: one that takes requests in order and proves absence at once; one that proves it after a grace of
30 s and takes a repeated client id for a new order; one that never proves it and does the same; one that never proves
it and knows repeats for ever.

## What is checked

After every commit, over a connection of its own, by a model that shares no code with the package (not even the table
of states):

- indices without a gap, times that strictly increase, only transitions that the design allows;
- one order a key, one booking an execution; what is filled is the sum of the executions that count, at most the
  quantity unless a break says so;
- positions, costs, fees, lots and balances are what the executions make: cost less realized is what was paid;
- no break but late fills, overfills, an end of an order that is full by the terms known so far, and unresolved
  requests, where the venue is honest; comparing finds nothing else but executions and ends that were not told yet;
- an adjustment books just what is hidden, no more and nowhere else: a position that is right is never moved; what the
  funds have of a currency is together what the account has;
- no difference and no report, however often it is delivered, has two breaks, none is raised again while it is there or, where it cannot come back, at all;
- no order expires before its time, and none that waits for an opening trades before it.

Whenever it happens:

- what a caller is answered is on disk at that moment; what a caller was told has not happened never does; a key gives
  the same order at every node;
- the gate gives up a call that has no answer;
- what leaves for the venue is on disk at that moment, and is what was approved, with a time in force that the venue knows
  where GTC can stand for it; no order arrives twice at a venue that
  might take it twice;
- the outlet delivers nothing that is not on disk, in order, without a gap.

Where nodes share a store:

- a node that knows the journal up to its end knows exactly what the tables say, at any moment: rows, indexes, the last
  instant, the tree;
- requests are journalled as sent only in the session that is the newest at that moment, and leave once for each time;
- no two nodes have one lease by the store's clock, counting the time that bytes may take to leave;
- what leaves a node leaves while it has the session's lease, unless it was paused between its last look and the bytes;
- an outlet's place never goes back;
- after the death of a session's owner another has the session within {take_over} s, unless something else goes wrong meanwhile.

After every crash: all tables. In the end, when faults have stopped:

- within {liveness} simulated seconds, in many runs without a restart, every order has ended, works at the venue, or is parked with a break;
- no order still works whose time was over, whoever had to end it;
- no break of a position or of money is open, unless something is hidden there and is not to be booked; what was hidden is
  a break, or is booked to the last unit;
- what is hidden when all is quiet is found within one cycle after the grace; every lie that is told then is a break within
  {heard:.0f} s and, where that is the policy, halts the broker; nothing of it is booked but what was executed;
- the venue's own file and the journal agree: orders, executions, quantities, ends; every execution is booked once, and
  each order by which the venue closes something is one order of the journal;
- the consumer of the outlet has every entry as it stands in the journal;
- `audit verify` finds nothing, and the journal replayed into an empty store gives the same tables to the byte.

## What is promised when a node stands still while it sends

A node looks at its lease immediately before it hands a request to a broker, and an adapter lets the bytes leave within
{send:.0f} s of that. A successor waits for {send:.0f} s longer than the lease holds. So two nodes never send at once, with one
exception that no program can exclude: a process that stands still exactly between the look and the bytes sends
them when it wakes. What holds even then:

- at a venue that knows a client id for ever, the order is there once: the second is a duplicate;
- at a venue that takes requests in order, an older session's bytes are not taken once a newer one has begun;
- at a venue that proves nothing, nothing is ever sent a second time: what is not found is parked for a person;
- at a venue that proves an absence after a grace, and would take a repeat for a new order, nothing is sent a second time
  before the grace, counted from the take-over, has passed and the absence was proven. Bytes that leave and arrive
  after that make a second order: its executions are booked, more than was wanted is a break. Keep the grace longer
  than your processes may stand still.

The simulation stops processes there, and checks these four as they stand.

## What cannot be told apart

Where statements have sums alone, a fill of a working order whose report was lost looks like something hidden: so the
orders that may explain a difference are asked for before it is booked, and while the venue does not tell of one of them
nothing is. An order that was left to a person stands in the way of that in its symbol. A trade that such a venue takes
back after its order has ended, while its reports are lost, cannot be told from what is hidden at all, and is left out of
these runs; so are a success without an order, which no sum shows, and what a venue closes by itself.

## What is not simulated

Loss of power (what SQLite handed to the operating system stays; a real kill is in `tests/acceptance/test_crash.py`),
damaged files, clocks that jump, PostgreSQL itself (real processes on a real one are in `tests/integration`), venues of
several sessions at once, adapters that take longer to send than they may, several brokers at once (but for failover),
restatements of our orders, telephoned orders, statements that are complete and wrong, and venues that take replaces out of order without naming which
version they change.

## Mistakes that it finds

Each is planted into the code by `--bug NAME`; the numbers are how many runs it took when this table was made. A test
wants every one within {within}.

| mistake | what it is | runs | what was seen first |
| --- | --- | --- | --- |
{rows}
"""


def page(found: Mapping[str, tuple[int, str]]) -> str:
    """The text; `found` has the number of the run, and the first problem, by mistake."""
    from tests.simulation.cluster import TAKE_OVER_S
    from tests.simulation.world import HEARD_S, LIVENESS_S

    rows = [
        f"| `{name}` | {_first_line(plant.__doc__)} | {found[name][0] + 1} | {_shortened(found[name][1])} |"
        for name, plant in bugs.ALL.items()
    ]
    return TEXT.format(
        heard=HEARD_S,
        liveness=f"{LIVENESS_S:.0f}",
        take_over=f"{TAKE_OVER_S:.0f}",
        send=SEND_S,
        within=WITHIN,
        rows="\n".join(rows),
    )


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0]


def _shortened(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= 100 else line[:99] + "…"


def write(jobs: int) -> None:
    """Looks for every mistake, and writes the page."""
    from tests.simulation.__main__ import found_at

    with ProcessPoolExecutor(jobs) as pool:
        outcomes = dict(
            zip(bugs.ALL, pool.map(partial(found_at, first=0, count=WITHIN), bugs.ALL), strict=True)
        )
    missing = [name for name, outcome in outcomes.items() if outcome is None]
    if missing:
        raise SystemExit(f"not found within {WITHIN} runs: {', '.join(missing)}")
    found = {
        name: (outcome.number, outcome.problems[0])
        for name, outcome in outcomes.items()
        if outcome is not None
    }
    PATH.write_text(page(found), encoding="utf-8")
