"""The suite that every broker adapter passes.

    class TestMyBroker(BrokerConformance):
        def venue(self):
            return my_counterpart()   # an async context manager that gives a Counterpart

pytest collects the cases from the subclass. What an adapter declares not to do, and faults and abilities that its
counterpart has not, are skipped with the reason; nothing is skipped for another.

The rules are those of `ordergate.application.ports.brokers`; each case names what would go wrong with orders and
money if an adapter broke it.
"""

from ordergate.testing.conformance.answers import AnswerCases
from ordergate.testing.conformance.levels import LevelCases
from ordergate.testing.conformance.operations import OperationCases
from ordergate.testing.conformance.orders import OrderCases
from ordergate.testing.conformance.reports import ReportCases
from ordergate.testing.conformance.schedules import ScheduleCases
from ordergate.testing.conformance.sessions import SessionCases
from ordergate.testing.conformance.statements import StatementCases
from ordergate.testing.conformance.suite import Case
from ordergate.testing.conformance.terms import TermCases

__all__ = ["BrokerConformance", "Case"]


class BrokerConformance(
    OrderCases,
    AnswerCases,
    ReportCases,
    LevelCases,
    SessionCases,
    TermCases,
    StatementCases,
    OperationCases,
    ScheduleCases,
):
    """Subclass it, give it a venue, and pytest runs the cases."""
