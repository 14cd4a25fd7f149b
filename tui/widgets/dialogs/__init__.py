"""The console's dialogs: modal screens that ask or tell, one a file."""

from tui.widgets.dialogs.abort import AbortDialog
from tui.widgets.dialogs.allow import AllowDialog
from tui.widgets.dialogs.base import Dialog
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.dialogs.halt import HaltDialog
from tui.widgets.dialogs.help import HelpScreen
from tui.widgets.dialogs.keys import places
from tui.widgets.dialogs.pause import PauseDialog, ResumeDialog

__all__ = [
    "AbortDialog",
    "AllowDialog",
    "Dialog",
    "FatalScreen",
    "HaltDialog",
    "HelpScreen",
    "PauseDialog",
    "ResumeDialog",
    "places",
]
