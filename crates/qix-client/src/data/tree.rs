//! Trees.

use qix_protocol::schema::NxTreeNode;

/// A node of a tree with those above it: the last one is the node.
pub type TreePath<'a> = Vec<&'a NxTreeNode>;

/// Returns the paths to all nodes, parents before their children; each node has its measures in `values`.
pub fn tree_paths(nodes: &[NxTreeNode]) -> impl Iterator<Item = TreePath<'_>> {
    // Without recursion: the depth is up to the engine.
    let mut levels = vec![nodes.iter()];
    let mut path: Vec<&NxTreeNode> = Vec::new();
    std::iter::from_fn(move || {
        loop {
            let node = levels.last_mut()?.next();
            path.truncate(levels.len() - 1);
            let Some(node) = node else {
                levels.pop();
                continue;
            };
            path.push(node);
            levels.push(node.nodes.iter());
            return Some(path.clone());
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_of_a_tree_come_with_their_parents() {
        let nodes = json!([{"qText": "", "qType": "R", "qNodes": [
            {"qText": "North", "qValues": [{"qValue": 3}], "qNodes": [{"qText": "A", "qValues": [{"qValue": 1}]}]},
            {"qText": "South", "qValues": [{"qValue": 5}]},
        ]}]);
        let nodes: Vec<NxTreeNode> = serde_json::from_value(nodes).unwrap();
        let flat: Vec<String> = tree_paths(&nodes)
            .map(|path| path.iter().map(|node| &*node.text).collect::<Vec<_>>().join("/"))
            .collect();
        assert_eq!(flat, ["", "/North", "/North/A", "/South"]);
    }
}
