package reward

import (
	"errors"
	"math"
)

// ErrNoLiveTask is when no miner has a weight in any task. Submit nothing: weights of nothing would punish everybody alike.
var ErrNoLiveTask = errors.New("no miner has earned a weight in any task, so there is nothing to submit")

// Task is what the miners have earned in one task.
type Task struct {
	Name   string
	Weight float64   // the operator's, 0 or more
	Miners []float64 // Rules.Weight of each; every task has the same miners in the same order
}

// Weight is what a standing is worth in a task: S^Sharpen Q^K.
func (r Rules) Weight(s Standing) float64 {
	return math.Pow(max(s.Score, 0), r.Sharpen) * r.Vote(s.Trust)
}

// Total shares out one unit among the miners: each task gives its weight in proportion to what is earned in it. A task in which nobody has earned
// anything is dead, and what it would give goes to the others in proportion. The error is ErrNoLiveTask.
func Total(tasks []Task) ([]float64, error) {
	var total []float64
	live := 0.0
	for _, t := range tasks {
		sum := 0.0
		for _, w := range t.Miners {
			sum += sound(w)
		}
		for len(total) < len(t.Miners) {
			total = append(total, 0)
		}
		if sum == 0 || sound(t.Weight) == 0 {
			continue
		}
		live += t.Weight
		for i, w := range t.Miners {
			total[i] += t.Weight * (sound(w) / sum)
		}
	}
	if live == 0 {
		return nil, ErrNoLiveTask
	}
	for i := range total {
		total[i] /= live
	}
	return total, nil
}

// sound is a weight, or 0 in place of what is none.
func sound(w float64) float64 {
	if !(w > 0) || math.IsInf(w, 1) {
		return 0
	}
	return w
}
