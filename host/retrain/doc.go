// Package retrain improves the reward models: pairs of answers that audits have labelled join what the shipped models have learned from, and a model
// that does better on pairs that it has not seen takes the place of the one in use.
//
// A Store is a folder:
//
//	pairs.jsonl                        a labelled pair a line; only ever appended to
//	models/NAME/{xgboost,card}.json    models that have won once; none is ever changed or removed
//	current.json                       which of them is in use, by kind; of a kind that is not there, the shipped one
//
// Nothing here trains unless Retrain is called.
package retrain
