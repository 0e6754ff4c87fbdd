//! Chain ids: the identity of a layer together with all layers below it
//! (OCI image specification, "Layer ChainID").

use super::Digest;

/// Returns the chain id after each layer, lowest first.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => *diff_id,
            Some(below) => {
                Digest::of_bytes(format!("{below} {diff_id}").as_bytes())
            }
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_chain_id_is_its_diff_id() {
        let a = Digest::of_bytes(b"a");
        assert_eq!(chain_ids(&[a]), [a]);
        assert!(chain_ids(&[]).is_empty());
    }

    #[test]
    fn a_chain_id_hashes_the_one_below_and_the_diff_id() {
        let (a, b) = (Digest::of_bytes(b"a"), Digest::of_bytes(b"b"));
        let text = format!("sha256:{} sha256:{}", a.hex(), b.hex());
        assert_eq!(chain_ids(&[a, b])[1], Digest::of_bytes(text.as_bytes()));
    }
}
