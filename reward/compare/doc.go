// Package compare tells whether two answers to one request come from the same parameters and differ by hardware alone.
//
// Pictures are compared by features of both (Features) that gradient-boosted trees weigh (Model): the perceptual hashes of the original
// subnet, and what hashes do not see. A picture that was made in another way moves whole areas, by little or much; a GPU that computes in half
// precision moves single pixels by a step or two. Embeddings are compared by their cosine.
//
// All features are symmetric, and computed in integers but for the last step, so that every machine finds the same numbers.
package compare
