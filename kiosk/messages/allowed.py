"""Which messages there are, which way they go, and which role may send what; the bus refuses the rest."""

from typing import Final

from kiosk.messages.field import CalibrationPlan, DepositSeen, GetRiskMap, PlanCalibration, RiskMap
from kiosk.messages.health import GetHealth, Health
from kiosk.messages.maintenance import (
    ApproveAction,
    Asked,
    CarryOut,
    ChangeSecret,
    ConfirmSecondFactor,
    Disputes,
    FoundPeople,
    GetDisputes,
    GetKeys,
    GetPeople,
    Keys,
    OfferSecondFactor,
    People,
    RequestAction,
    RequestEnrolment,
    RequestRenewal,
    SecondFactorOffer,
    SetDuress,
    SignedInAs,
    SignIn,
    SignOut,
    TakeCommissioning,
    WithdrawAction,
)
from kiosk.messages.models import (
    FetchModel,
    GetModels,
    ModelPart,
    Models,
    ModelsChanged,
    ModelTried,
    StagedModel,
    StageModel,
)
from kiosk.messages.pushes import AssessRequest, OutboxGrew, SensorReading, StageChanged, TransactionReading
from kiosk.messages.service import (
    DryRun,
    GetJournal,
    GetLog,
    GetNotes,
    GetOutbox,
    GetService,
    JournalRows,
    LogRows,
    NotesReport,
    OutboxView,
    Planned,
    ServiceView,
    TestDevice,
    TestReport,
)
from kiosk.messages.shared import GetStatus, Message, Ok, Refused, Role, Status, Subscribe, Topic
from kiosk.messages.staff import BadgeShown, ReprintLabel, StaffDo, StaffLeave, StaffSignIn
from kiosk.messages.terminal import (
    Depositor,
    Identify,
    LookedUp,
    LookUp,
    Resume,
    SeekTicket,
    TicketShown,
    UseTicket,
)
from kiosk.messages.units import ExchangeStep, GetReport, GetUnits, ListReports, PrintSlip, Report, Reports, Units
from kiosk.messages.upkeep import (
    Capture,
    FetchFile,
    FileMade,
    FilePart,
    GetSettings,
    MakeFile,
    PlanSetting,
    SettingPlan,
    Settings,
)
from kiosk.messages.uplink import (
    DeliverAck,
    DeliverCounts,
    DeliverDirectory,
    Delivered,
    DeliverEvidenceAck,
    DeliverStatement,
    EvidenceRows,
    FetchEvidence,
    FetchOutbox,
    LinkReport,
    OutboxRows,
)
from kiosk.messages.watcher import (
    CameraCaptured,
    CaptureCamera,
    ClipTaken,
    HandOver,
    LookForTicket,
    RiskReport,
    TicketSeen,
)

Request = (
    GetStatus
    | Subscribe
    | Identify
    | LookUp
    | Depositor
    | Resume
    | SeekTicket
    | UseTicket
    | TicketSeen
    | StaffSignIn
    | StaffDo
    | ReprintLabel
    | StaffLeave
    | RiskReport
    | FetchOutbox
    | DeliverAck
    | DeliverDirectory
    | DeliverCounts
    | DeliverStatement
    | HandOver
    | ClipTaken
    | FetchEvidence
    | DeliverEvidenceAck
    | LinkReport
    | GetPeople
    | FoundPeople
    | RequestAction
    | RequestEnrolment
    | RequestRenewal
    | ApproveAction
    | CarryOut
    | WithdrawAction
    | ChangeSecret
    | GetKeys
    | GetDisputes
    | GetUnits
    | ExchangeStep
    | GetReport
    | ListReports
    | PrintSlip
    | StageModel
    | GetModels
    | FetchModel
    | ModelTried
    | DepositSeen
    | PlanCalibration
    | GetRiskMap
    | GetNotes
    | GetJournal
    | GetLog
    | GetOutbox
    | DryRun
    | GetService
    | TestDevice
    | GetSettings
    | PlanSetting
    | MakeFile
    | Capture
    | FetchFile
    | SignIn
    | SignOut
    | OfferSecondFactor
    | ConfirmSecondFactor
    | SetDuress
    | GetHealth
    | TakeCommissioning
    | CameraCaptured
)
Reply = (
    Ok
    | Refused
    | Status
    | LookedUp
    | OutboxRows
    | EvidenceRows
    | Delivered
    | People
    | Asked
    | Disputes
    | Keys
    | Units
    | Report
    | Reports
    | StagedModel
    | Models
    | ModelPart
    | CalibrationPlan
    | RiskMap
    | NotesReport
    | JournalRows
    | LogRows
    | OutboxView
    | Planned
    | ServiceView
    | TestReport
    | Settings
    | SettingPlan
    | FileMade
    | FilePart
    | SignedInAs
    | SecondFactorOffer
    | Health
)
Push = (
    Status
    | SensorReading
    | TransactionReading
    | StageChanged
    | AssessRequest
    | OutboxGrew
    | ModelsChanged
    | LookForTicket
    | CaptureCamera
    | TicketShown
    | BadgeShown
)

ALLOWED: Final[dict[Role, frozenset[type[Message]]]] = {
    # The last four are the staff's: what stands behind them is a badge and a PIN, never the socket alone.
    "terminal": frozenset(
        {
            *(GetStatus, Subscribe, Identify, LookUp, Depositor, Resume, SeekTicket, UseTicket),
            *(StaffSignIn, StaffDo, ReprintLabel, StaffLeave),
        }
    ),
    "watcher": frozenset(
        {
            *(Subscribe, RiskReport, HandOver, ClipTaken, GetModels, FetchModel, ModelTried, DepositSeen, TicketSeen),
            CameraCaptured,
        }
    ),
    "uplink": frozenset(
        {
            GetStatus,
            Subscribe,
            FetchOutbox,
            DeliverAck,
            DeliverDirectory,
            DeliverCounts,
            DeliverStatement,
            FetchEvidence,
            DeliverEvidenceAck,
            LinkReport,
            GetHealth,
        }
    ),
    "maintenance": frozenset(
        {
            GetStatus,
            Subscribe,
            GetPeople,
            FoundPeople,
            RequestAction,
            RequestEnrolment,
            RequestRenewal,
            ApproveAction,
            CarryOut,
            WithdrawAction,
            ChangeSecret,
            GetKeys,
            GetDisputes,
            GetUnits,
            ExchangeStep,
            GetReport,
            ListReports,
            PrintSlip,
            StageModel,
            GetModels,
            PlanCalibration,
            GetRiskMap,
            GetNotes,
            GetJournal,
            GetLog,
            GetOutbox,
            DryRun,
            GetService,
            TestDevice,
            GetSettings,
            PlanSetting,
            MakeFile,
            Capture,
            FetchFile,
            SignIn,
            SignOut,
            OfferSecondFactor,
            ConfirmSecondFactor,
            SetDuress,
            GetHealth,
            TakeCommissioning,
        }
    ),
    "observer": frozenset({GetHealth}),
}
TOPICS_ALLOWED: Final[dict[Role, frozenset[Topic]]] = {
    "terminal": frozenset({"status", "ticket"}),
    "watcher": frozenset({"sensor", "stage"}),
    "uplink": frozenset({"outbox"}),
    "maintenance": frozenset({"status", "sensor", "stage", "outbox"}),
    "observer": frozenset(),
}
FRAME_BYTES_MAX: Final = 1 << 20
