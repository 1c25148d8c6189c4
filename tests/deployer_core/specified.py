"""The four diagrams that were asked for, copied by hand arrow by arrow, and the extensions that are agreed on.

Each arrow is (source, label, target) with the nodes named as they are drawn; `ALIASES` says which state a copy stands
for. This is the contract: where a machine differs, the machine is wrong.
"""

from typing import Final, TypeAlias

Arrow: TypeAlias = tuple[str, str, str]

ALIASES: Final = {
    "FAILED_0": "FAILED",
    "FAILED_1": "FAILED",
    "FAILED_2": "FAILED",
    "FAILED_3": "FAILED",
    "FAILED_4": "FAILED",
    "FAILED_5": "FAILED",
    "UPSERTING_FAILED": "FAILED",
}

ARROWS: Final[dict[str, list[Arrow]]] = {
    "stack": [
        ("[*]", "Triggered", "CREATING"),
        ("CREATING", "Triggered<br>(Adds to the queue)", "CREATING"),
        ("CREATING", "DeploymentCompleted", "STABLE"),
        ("STABLE", "", "stable"),
        ("stable", "Nothing Queued", "AVAILABLE"),
        ("stable", "Pops from queue", "MIGRATING"),
        ("AVAILABLE", "Triggered<br>(External)", "MIGRATING"),
        ("MIGRATING", "DeploymentCompleted", "STABLE"),
        ("MIGRATING", "Triggered<br>(Adds to the queue)", "MIGRATING"),
        ("CREATING", "DeploymentFailed", "BROKEN"),
        ("MIGRATING", "DeploymentFailed", "BROKEN"),
    ],
    "deployment": [
        ("[*]", "Requested", "QUEUED"),
        ("QUEUED", "Triggered", "TRIGGERED"),
        ("TRIGGERED", "StackWait", "WAITING"),
        ("WAITING", "StackStatus.Progress", "WAITING"),
        ("WAITING", "Stack Failure", "FAILED_1"),
        ("WAITING", "StackStatus.Stable", "AVAILABLE"),
        ("AVAILABLE", "", "available"),
        ("available", "<code>if !quick & exists</code><br>StackScale(0)", "SCALING_DOWN"),
        ("available", "<code>if quick</code><br>UpsertStack", "UPSERTING"),
        ("available", "<code>if !quick, !exists</code><br>StackCreate", "CREATING"),
        ("CREATING", "Stack Stable", "INFRA_MIGRATED"),
        ("SCALING_DOWN", "Stack Progress", "SCALING_DOWN"),
        ("SCALING_DOWN", "Stack Stable", "SCALED_DOWN"),
        ("SCALING_DOWN", "Stack Failure", "FAILED_2"),
        ("SCALED_DOWN", "Stack Trigger<br>(Infra Migrate)", "INFRA_MIGRATE"),
        ("INFRA_MIGRATE", "Stack Progress", "INFRA_MIGRATE"),
        ("INFRA_MIGRATE", "Stack Stable", "INFRA_MIGRATED"),
        ("INFRA_MIGRATE", "Stack Failure", "FAILED_4"),
        ("INFRA_MIGRATED", "Migrate Data", "DB_MIGRATING"),
        ("DB_MIGRATING", "Migration Failure", "FAILED_3"),
        ("DB_MIGRATING", "Progress", "DB_MIGRATING"),
        ("DB_MIGRATING", "All Complete", "DB_MIGRATED"),
        ("DB_MIGRATED", "Scale Trigger", "SCALING_UP"),
        ("SCALING_UP", "Stack Progress", "SCALING_UP"),
        ("SCALING_UP", "Scaled Stable", "SCALED_UP"),
        ("SCALING_UP", "Stack Failure", "FAILED_5"),
        ("SCALED_UP", "Done", "DONE"),
        ("UPSERTING", "Stack Stable", "UPSERTED"),
        ("UPSERTED", "Done", "DONE"),
        ("UPSERTING", "StackStatus.Error", "UPSERTING_FAILED"),
        ("DONE", "", "[*]"),
    ],
    "ecs-task": [
        ("[*]", "Request", "REQUESTED"),
        ("REQUESTED", "Running", "RUNNING"),
        ("RUNNING", "Status (!= STOPPED)", "RUNNING"),
        ("RUNNING", "Status (STOPPED)", "STOPPED"),
        ("STOPPED", "Done", "DONE"),
        ("STOPPED", "Error", "ERROR"),
        ("REQUESTED", "Error", "ERROR"),
        ("DONE", "", "[*]"),
        ("ERROR", "", "[*]"),
    ],
    "postgres-migration": [
        ("[*]", "Prepare", "UPSERTING"),
        ("UPSERTING", "Unblocked", "UPSERTING"),
        ("UPSERTING", "Error", "FAILED_1"),
        ("UPSERTING", "UpsertDone", "READY"),
        ("READY", "EvaluateRun", "EVALUATING"),
        ("EVALUATING", "Error", "FAILED_0"),
        ("EVALUATING", "EvaluateOutcome", "EVALUATED"),
        ("EVALUATED", "NoChanges", "NOP"),
        ("EVALUATING", "Unblocked", "EVALUATING"),
        ("EVALUATED", "NeedsMigrate", "needsMigrate"),
        ("READY", "NeedsMigrate", "needsMigrate"),
        ("needsMigrate", "<code>blocked</code>", "BLOCKED"),
        ("needsMigrate", "<code>unblocked</code>", "TRIGGERED"),
        ("BLOCKED", "Unblocked", "TRIGGERED"),
        ("TRIGGERED", "MigrateRun", "RUNNING"),
        ("RUNNING", "Error", "FAILED_2"),
        ("RUNNING", "MigrateDone", "MIGRATED"),
        ("MIGRATED", "CleanupRun", "CLEANING_UP"),
        ("CLEANING_UP", "Error", "FAILED_3"),
        ("CLEANING_UP", "CleanupDone", "DONE"),
    ],
}

CLASSES: Final[dict[str, dict[str, set[str]]]] = {
    "stack": {"auto": {"STABLE"}, "failed": {"BROKEN"}, "end": set()},
    "deployment": {
        "auto": {
            "TRIGGERED",
            "AVAILABLE",
            "SCALED_DOWN",
            "INFRA_MIGRATED",
            "DB_MIGRATED",
            "SCALED_UP",
            "UPSERTED",
        },
        "failed": {"FAILED_1", "FAILED_2", "FAILED_3", "FAILED_4", "FAILED_5", "UPSERTING_FAILED"},
        "end": set(),
    },
    "ecs-task": {"auto": {"STOPPED"}, "failed": {"ERROR"}, "end": {"DONE"}},
    "postgres-migration": {
        "auto": {"READY", "EVALUATED", "TRIGGERED", "MIGRATED"},
        "failed": {"FAILED_0", "FAILED_1", "FAILED_2", "FAILED_3"},
        "end": {"NOP", "DONE"},
    },
}

EXTENSIONS: Final[dict[str, list[Arrow]]] = {
    "stack": [
        ("BROKEN", "Triggered<br>(Adds to the queue)", "BROKEN"),
        ("BROKEN", "Repaired", "STABLE"),
        ("CREATING", "Withdrawn", "CREATING"),
        ("MIGRATING", "Withdrawn", "MIGRATING"),
        ("BROKEN", "Withdrawn", "BROKEN"),
    ],
    "deployment": [
        ("CREATING", "Stack Progress", "CREATING"),
        ("CREATING", "Stack Failure", "FAILED"),
        ("UPSERTING", "Stack Progress", "UPSERTING"),
        ("QUEUED", "Terminated", "FAILED"),
        ("WAITING", "Terminated", "FAILED"),
        ("UPSERTING", "Terminated", "FAILED"),
        ("CREATING", "Terminated", "FAILED"),
        ("SCALING_DOWN", "Terminated", "FAILED"),
        ("INFRA_MIGRATE", "Terminated", "FAILED"),
        ("DB_MIGRATING", "Terminated", "FAILED"),
        ("SCALING_UP", "Terminated", "FAILED"),
    ],
    "ecs-task": [
        ("RUNNING", "Error", "ERROR"),
        ("REQUESTED", "Status (!= STOPPED)", "REQUESTED"),
        ("REQUESTED", "Status (STOPPED)", "STOPPED"),
    ],
    "postgres-migration": [("BLOCKED", "Error", "FAILED")],
}

IMPOSSIBLE_IN_THE_COMPOSITION: Final[list[Arrow]] = [
    ("UPSERTING", "Unblocked", "UPSERTING"),
    ("EVALUATING", "Unblocked", "EVALUATING"),
    ("READY", "NeedsMigrate", "TRIGGERED"),
    ("EVALUATED", "NeedsMigrate", "TRIGGERED"),
]
"""Edges (here by their states) that only those see who use the migration's machine by itself."""
