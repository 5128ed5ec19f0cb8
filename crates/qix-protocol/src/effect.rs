//! What calls of a method change, and for whom.

use crate::{Tree, frame::Raw};

/// What a call of a method may change.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing that another call could see.
    Reads,
    /// What ends with the session: selections, session objects, soft patches, the open app, files to be downloaded.
    Session,
    /// The app: what others may see, and what is there after the session, at the latest once it was saved.
    App,
    /// Apps, connections and settings beside the open app.
    Engine,
    /// Nobody knows: no version of the schema has such a method.
    Unknown,
}

impl Effect {
    /// Returns whether it may outlive the session or be seen by others.
    pub fn is_lasting(self) -> bool {
        self > Self::Session
    }
}

/// Beginnings of the names of methods that only read, unless a table says otherwise.
const READS: &[&str] = &["Get", "Evaluate", "Expand", "Search", "Check", "Is", "Find", "Guess"];

/// Others that only read.
const MORE_READS: &[&str] = &[
    "AllowCreateApp",
    "BackCount",
    "EngineVersion",
    "ForwardCount",
    "OSName",
    "OSVersion",
    "ProductVersion",
    "QTProduct",
    "QvVersion",
];

/// What ends with the session.
const SESSION: &[&str] = &[
    "AbortAll",
    "AbortListObjectSearch",
    "AbortModal",
    "AbortRequest",
    "AcceptListObjectSearch",
    "AddSessionAlternateState",
    "Apply",
    "ApplyAndVerify",
    "ApplyAndVerifyBookmark",
    "ApplyBookmark",
    "ApplyGroupStates",
    "ApplyTemporaryBookmark",
    "Back",
    "BeginSelections",
    "CancelReload",
    "CancelRequest",
    "Clear",
    "ClearAll",
    "ClearAllButThis",
    "ClearAllSoftPatches",
    "ClearSelections",
    "ClearSoftPatches",
    "ClearUndoBuffer",
    "CollapseLeft",
    "CollapseTop",
    "ConfigureReload",
    "CreateSessionApp",
    "CreateSessionAppFromApp",
    "CreateSessionObject",
    "CreateSessionVariable",
    "DestroySessionObject",
    "DestroySessionVariable",
    "DestroySessionVariableById",
    "DestroySessionVariableByName",
    "DrillUp",
    "EndSelections",
    "ExpandLeft",
    "ExpandTop",
    "ExportData",
    "ExportReducedData",
    "Forward",
    "InteractDone",
    "Lock",
    "LockAll",
    "LowLevelSelect",
    "MultiRangeSelectHyperCubeValues",
    "MultiRangeSelectTreeDataValues",
    "OpenDoc",
    "RangeSelectHyperCubeValues",
    "RemoveSessionAlternateState",
    "ResetMadeSelections",
    "RestoreTempSelectionState",
    "Resume",
    "SearchListObjectFor",
    "Select",
    "SelectAll",
    "SelectAlternative",
    "SelectAssociations",
    "SelectExcluded",
    "SelectHyperCubeCells",
    "SelectHyperCubeContinuousRange",
    "SelectHyperCubeValues",
    "SelectListObjectAll",
    "SelectListObjectAlternative",
    "SelectListObjectContinuousRange",
    "SelectListObjectExcluded",
    "SelectListObjectPossible",
    "SelectListObjectValues",
    "SelectPivotCells",
    "SelectPossible",
    "SelectValues",
    "SetActiveField",
    "SetFetchLimit",
    "StepCycle",
    "ToggleSelect",
    "Unlock",
    "UnlockAll",
];

/// What the app keeps. Temporary bookmarks and selection states have a time to live of their own.
const APP: &[&str] = &[
    "AddAlternateState",
    "AddFieldFromExpression",
    "AddGroupMembers",
    "ApplyPatches",
    "Approve",
    "CloneBookmark",
    "CloneDimension",
    "CloneMeasure",
    "CloneObject",
    "CommitDraft",
    "CommitScript",
    "CopyFrom",
    "CreateBookmark",
    "CreateBookmarkEx",
    "CreateChild",
    "CreateDimension",
    "CreateDraft",
    "CreateGroup",
    "CreateMeasure",
    "CreateObject",
    "CreateTemporaryBookmark",
    "CreateVariable",
    "CreateVariableEx",
    "DestroyAllChildren",
    "DestroyBookmark",
    "DestroyChild",
    "DestroyDimension",
    "DestroyDraft",
    "DestroyMeasure",
    "DestroyObject",
    "DestroyVariableById",
    "DestroyVariableByName",
    "DoReload",
    "DoReloadEx",
    "DoSave",
    "EmbedSnapshotObject",
    "ForceContent",
    "GetOrCreateObject",
    "Publish",
    "Redo",
    "RemoveAlternateState",
    "RemoveGroup",
    "RemoveGroupMembers",
    "RemoveVariable",
    "ReplaceBookmark",
    "SaveObjects",
    "Scramble",
    "SetAndMode",
    "SetAppProperties",
    "SetChildArrayOrder",
    "SetContent",
    "SetDualValue",
    "SetFavoriteVariables",
    "SetFullPropertyTree",
    "SetGroupLabel",
    "SetLooselyCoupledVector",
    "SetNumValue",
    "SetNxProperties",
    "SetProhibitBinaryLoad",
    "SetProperties",
    "SetScript",
    "SetScriptBreakpoints",
    "SetStringValue",
    "SetViewDlgSaveInfo",
    "StoreTempSelectionState",
    "UnApprove",
    "UnPublish",
    "Undo",
];

/// What is beside the open app.
const ENGINE: &[&str] = &[
    "ChangeSessionAppOwner",
    "ChangeSessionAppSpace",
    "CopyApp",
    "CreateApp",
    "CreateConnection",
    "CreateDocEx",
    "DeleteApp",
    "DeleteConnection",
    "ExportApp",
    "ModifyConnection",
    "PublishApp",
    "ReloadExtensionList",
    "ReplaceAppFromID",
    "SaveAs",
    "SendGenericCommandToCustomConnector",
    "ShutdownProcess",
    "TransformApp",
];

/// Returns what calls of a method may change. `class` is that of the object; empty if it is not known.
///
/// It is said of an object of an app: what is done to a session object, or in a session app, ends with the session all the same.
pub fn effect_of(class: &str, method: &str) -> Effect {
    if crate::schema::method(class, method).is_none() {
        // A newer engine has it, or it is of another class. `CheckOut` and `SearchAndReplace` would not only read.
        return if gets(method) { Effect::Reads } else { Effect::Unknown };
    }
    let listed = |list: &[&str]| list.binary_search(&method).is_ok();
    if listed(ENGINE) {
        Effect::Engine
    } else if listed(APP) {
        Effect::App
    } else if listed(SESSION) {
        Effect::Session
    } else if reads(method) {
        Effect::Reads
    } else {
        Effect::Unknown
    }
}

/// Returns what a call may change: patches may be soft, which end with the session.
pub fn effect_of_call(class: &str, method: &str, params: Option<Raw<'_>>) -> Effect {
    let effect = effect_of(class, method);
    if method != "ApplyPatches" || class != "GenericObject" {
        return effect;
    }
    let canonical = crate::canonical_params(class, method, params);
    let soft = Tree::parse(canonical.as_bytes()).ok().and_then(|params| params.element(1)?.as_bool());
    if soft == Some(true) { Effect::Session } else { effect }
}

/// Whether a method that no schema has only reads, by its name.
fn gets(method: &str) -> bool {
    let what = method.strip_prefix("Get").unwrap_or_default();
    let does_more = ["Or", "And"].iter().any(|word| what.contains(word));
    what.starts_with(|first: char| first.is_ascii_uppercase()) && !does_more
}

fn reads(method: &str) -> bool {
    !method.starts_with("GetOrCreate")
        && (READS.iter().any(|read| method.starts_with(read)) || MORE_READS.contains(&method))
        && !ENGINE.contains(&method)
        && !APP.contains(&method)
        && !SESSION.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::METHODS;

    #[test]
    fn every_method_of_the_schema_has_one_effect_and_every_name_in_a_table_is_a_method() {
        assert_eq!(METHODS.len(), 336);
        for info in METHODS {
            let tables = [ENGINE, APP, SESSION].map(|list| list.contains(&info.name));
            let places = tables.iter().filter(|is_in| **is_in).count() + usize::from(reads(info.name));
            assert_eq!(places, 1, "{}.{}", info.class, info.name);
            assert_ne!(effect_of(info.class, info.name), Effect::Unknown);
            assert_eq!(effect_of("", info.name), effect_of(info.class, info.name));
        }
        for list in [ENGINE, APP, SESSION, MORE_READS] {
            assert!(list.is_sorted());
            for name in list {
                assert!(METHODS.iter().any(|info| info.name == *name), "{name}");
            }
        }
    }

    #[test]
    fn what_outlives_the_session_is_told_from_what_does_not() {
        for (class, method, effect) in [
            ("GenericObject", "GetLayout", Effect::Reads),
            ("Doc", "GetOrCreateObject", Effect::App),
            ("Doc", "CreateSessionObject", Effect::Session),
            ("GenericObject", "SelectListObjectValues", Effect::Session),
            ("Doc", "DoReload", Effect::App),
            ("Doc", "DoSave", Effect::App),
            ("Global", "DeleteApp", Effect::Engine),
            ("Doc", "CreateConnection", Effect::Engine),
            ("Doc", "GetSomethingNew", Effect::Reads),
            ("Doc", "GetOrCreateSomethingNew", Effect::Unknown),
            ("Doc", "MakeSomethingNew", Effect::Unknown),
            ("Field", "DoSave", Effect::Unknown),
            // Names of methods that no schema has, which begin like those that read.
            ("Doc", "CheckOutApp", Effect::Unknown),
            ("Doc", "SearchAndReplace", Effect::Unknown),
            ("Doc", "IssueToken", Effect::Unknown),
            ("Doc", "GetAndLock", Effect::Unknown),
            ("Doc", "GetorCreateObject", Effect::Unknown),
            ("", "getSomethingNew", Effect::Unknown),
            ("GenericObject", "ExpandAll", Effect::Unknown),
        ] {
            assert_eq!(effect_of(class, method), effect, "{class}.{method}");
            assert_eq!(effect.is_lasting(), effect as u8 > 1);
        }
    }

    #[test]
    fn patches_of_objects_last_unless_they_are_soft() {
        let effect = |class: &str, params: &str| {
            effect_of_call(class, "ApplyPatches", Some(Raw::new(params.as_bytes()).unwrap()))
        };
        assert_eq!(effect("GenericObject", "[[],true]"), Effect::Session);
        assert_eq!(effect("GenericObject", r#"{"qPatches":[],"qSoftPatch":true}"#), Effect::Session);
        for params in ["[[]]", "[[],false]", r#"{"qPatches":[]}"#] {
            assert_eq!(effect("GenericObject", params), Effect::App);
        }
        assert_eq!(effect("GenericVariable", "[[],true]"), Effect::App);
    }
}
