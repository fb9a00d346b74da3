// Package gbdt evaluates the reward model: gradient-boosted trees that XGBoost trained and saved as JSON. The trees are walked by
// github.com/dmitryikh/leaves, which reads only the binary format of old XGBoost, and reads and walks even that in ways that give other
// answers than XGBoost. So a model is never given to leaves as it came: Load reads the JSON, checks all of it, and writes for leaves a
// binary of its own. What is cured, each with where leaves (v0.0.0-20230708180554-25d19a787328) does it:
//
//  1. Sizes are believed. internal/xgbin makes slices as long as the file says; a file that begins with "binf", as XGBoost 1.x writes it,
//     or JSON, or a damaged file, is taken for lengths of gigabytes, and the program dies of it without a panic that could be caught.
//     Here leaves reads only bytes that Load wrote, without the prefix, and whose every length was read back before.
//  2. XGBoost 1.x writes num_output_group as 0; leaves divides by it at the first prediction (xgEnsemble.NEstimators). Here it is 1.
//  3. base_score is a probability; leaves adds it as it is to the margin (xgEnsemble.predictInner). Here it is its logit.
//  4. XGBoost goes left when x < t, leaves when x <= t (lgTree.numericalDecision). Features of whole numbers, as Hamming distances are, lie
//     on thresholds all the time: on hist-trained trees that alone made more than half of the answers wrong. Here t is replaced by the
//     greatest float32 below it: for a float32 x, x < t is x <= that.
//  5. XGBoost sees float32 features, leaves float64. Predict rounds them first, as number 4 needs it.
//  6. A row that is too short is answered by 0 and no error (Ensemble.PredictSingle), and with one feature no length is checked at all
//     (xgEnsemble.NFeatures is 0 then). Predict checks it.
//  7. Nodes that pruning has deleted stay in XGBoost's arrays; a tree pruned to its root is refused (xgTreeFromTreeModel), children
//     that form a ring are not noticed. Here only the nodes that the root reaches are written, anew numbered, each once.
//  8. Of the objectives only "binary:logistic" has its transformation. "reg:logistic" differs in training only, so it goes by that name;
//     others are refused. So is what leaves knows nothing of: categorical splits, several outputs, vector leaves.
//
// NaN is a missing value and goes each split's default way, in XGBoost and in leaves alike. XGBoost adds the trees up in float32, leaves
// in float64: margins agree to about 1e-5, probabilities to 1e-6, which golden rows from XGBoost hold.
package gbdt
