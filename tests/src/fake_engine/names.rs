//! The parameter names of the methods, for requests with named parameters.

/// Returns the names of a method's parameters in positional order; none for a method without parameters.
pub(crate) fn parameter_names(class: &str, method: &str) -> impl Iterator<Item = &'static str> {
    let own = match class {
        "Global" => GLOBAL,
        "Doc" => DOC,
        "GenericObject" => OBJECT,
        "Field" => FIELD,
        _ => LIBRARY,
    };
    let line = own.iter().chain(SHARED).find(|(name, _)| *name == method).map_or("", |(_, names)| *names);
    line.split_whitespace()
}

type Names = &'static [(&'static str, &'static str)];

const SHARED: Names = &[("ApplyPatches", "qPatches qSoftPatch"), ("SetProperties", "qProp")];

const GLOBAL: Names = &[
    ("AbortRequest", "qRequestId"),
    ("CancelReload", "qReason"),
    ("CancelRequest", "qRequestId"),
    ("ConfigureReload", "qCancelOnScriptError qUseErrorData qInteractOnError"),
    ("CreateApp", "qAppName qLocalizedScriptMainSection qLocale"),
    ("CreateDocEx", "qDocName qUserName qPassword qSerial qLocalizedScriptMainSection"),
    ("CreateSessionAppFromApp", "qSrcAppId"),
    ("DeleteApp", "qAppId"),
    ("GetAppEntry", "qAppID"),
    ("GetBaseBNFHash", "qBnfType"),
    ("GetInteract", "qRequestId"),
    ("GetProgress", "qRequestId"),
    ("InteractDone", "qRequestId qDef"),
    ("OpenDoc", "qDocName qUserName qPassword qSerial qNoData"),
];

const DOC: Names = &[
    ("AbortModal", "qAccept"),
    ("ApplyBookmark", "qId"),
    ("CheckExpression", "qExpr qLabels"),
    ("CheckNumberOrExpression", "qExpr"),
    ("ClearAll", "qLockedAlso qStateName"),
    ("CreateBookmark", "qProp"),
    ("CreateDimension", "qProp"),
    ("CreateMeasure", "qProp"),
    ("CreateObject", "qProp"),
    ("CreateSessionObject", "qProp"),
    ("CreateSessionVariable", "qProp"),
    ("CreateVariableEx", "qProp"),
    ("DestroyBookmark", "qId"),
    ("DestroyDimension", "qId"),
    ("DestroyMeasure", "qId"),
    ("DestroyObject", "qId"),
    ("DestroySessionObject", "qId"),
    ("DestroySessionVariable", "qId"),
    ("DestroySessionVariableById", "qId"),
    ("DestroySessionVariableByName", "qName"),
    ("DestroyVariableById", "qId"),
    ("DestroyVariableByName", "qName"),
    ("DoReload", "qMode qPartial qDebug"),
    ("DoReloadEx", "qParams"),
    ("DoSave", "qFileName"),
    ("Evaluate", "qExpression"),
    ("EvaluateEx", "qExpression"),
    ("ExpandExpression", "qExpression"),
    ("GetBookmark", "qId"),
    ("GetBookmarks", "qOptions"),
    ("GetDimension", "qId"),
    ("GetField", "qFieldName qStateName"),
    ("GetFieldDescription", "qFieldName"),
    ("GetFieldsFromExpression", "qExpr"),
    ("GetMatchingFields", "qTags qMatchingFieldMode"),
    ("GetMeasure", "qId"),
    ("GetObject", "qId"),
    ("GetObjects", "qOptions"),
    ("GetOrCreateObject", "qProp"),
    ("GetTableData", "qOffset qRows qSyntheticMode qTableName"),
    (
        "GetTablesAndKeys",
        "qWindowSize qNullSize qCellHeight qSyntheticMode qIncludeSysVars qIncludeProfiling",
    ),
    ("GetVariable", "qName"),
    ("GetVariableById", "qId"),
    ("GetVariableByName", "qName"),
    ("GetVariables", "qListDef"),
    ("LockAll", "qStateName"),
    ("SetAppProperties", "qProp"),
    ("SetFetchLimit", "qLimit"),
    ("SetScript", "qScript"),
    ("RestoreTempSelectionState", "qId"),
    ("StoreTempSelectionState", "qTTLOfTempState"),
    ("UnlockAll", "qStateName"),
];

const OBJECT: Names = &[
    ("AbortListObjectSearch", "qPath"),
    ("AcceptListObjectSearch", "qPath qToggleMode qSoftLock"),
    ("BeginSelections", "qPaths"),
    ("ClearSelections", "qPath qColIndices"),
    ("CopyFrom", "qFromId"),
    ("CreateChild", "qProp qPropForThis"),
    ("DestroyAllChildren", "qPropForThis"),
    ("DestroyChild", "qId qPropForThis"),
    ("EndSelections", "qAccept"),
    ("ExportData", "qFileType qPath qFileName qExportState qServeOnce"),
    ("GetChild", "qId"),
    ("GetHyperCubeData", "qPath qPages"),
    ("GetHyperCubePivotData", "qPath qPages"),
    ("GetHyperCubeReducedData", "qPath qPages qZoomFactor qReductionMode"),
    ("GetHyperCubeStackData", "qPath qPages qMaxNbrCells"),
    ("GetHyperCubeTreeData", "qPath qNodeOptions"),
    ("GetListObjectData", "qPath qPages"),
    ("Lock", "qPath qColIndices"),
    ("RangeSelectHyperCubeValues", "qPath qRanges qColumnsToSelect qOrMode qDeselectOnlyOneSelected"),
    ("SearchListObjectFor", "qPath qMatch"),
    ("SelectHyperCubeCells", "qPath qRowIndices qColIndices qSoftLock qDeselectOnlyOneSelected"),
    ("SelectHyperCubeValues", "qPath qDimNo qValues qToggleMode"),
    ("SelectListObjectAll", "qPath qSoftLock"),
    ("SelectListObjectAlternative", "qPath qSoftLock"),
    ("SelectListObjectExcluded", "qPath qSoftLock"),
    ("SelectListObjectPossible", "qPath qSoftLock"),
    ("SelectListObjectValues", "qPath qValues qToggleMode qSoftLock"),
    ("SetChildArrayOrder", "qIds"),
    ("SetFullPropertyTree", "qPropEntry"),
    ("Unlock", "qPath qColIndices"),
];

const FIELD: Names = &[
    ("LowLevelSelect", "qValues qToggleMode qSoftLock"),
    ("Select", "qMatch qSoftLock qExcludedValuesMode"),
    ("SelectValues", "qFieldValues qToggleMode qSoftLock"),
    ("SetAndMode", "qAndMode"),
    ("SetNxProperties", "qProperties"),
    ("ToggleSelect", "qMatch qSoftLock qExcludedValuesMode"),
];

const LIBRARY: Names = &[("SetDualValue", "qText qNum"), ("SetNumValue", "qVal"), ("SetStringValue", "qVal")];

/// Returns the name of every method that has parameters.
#[cfg(test)]
pub(crate) fn all_methods() -> Vec<&'static str> {
    [SHARED, GLOBAL, DOC, OBJECT, FIELD, LIBRARY].into_iter().flatten().map(|(name, _)| *name).collect()
}
