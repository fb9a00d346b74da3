package onnx

import (
	"fmt"
	"strings"
)

// String says what a graph is, for a person: its weights' size and type, its pictures' axes, its inputs.
func (g Graph) String() string {
	axes := "dynamic axes"
	var inputs []string
	for _, i := range g.Inputs {
		if _, fixed := i.Fixed(2); fixed && len(i.Shape) == 4 {
			axes = fmt.Sprintf("axes fixed at %v", i.Shape)
		}
		inputs = append(inputs, i.Name+" "+i.Element())
	}
	if len(inputs) > 4 {
		inputs = append(inputs[:4], fmt.Sprintf("%d more", len(inputs)-4))
	}
	external := ""
	if len(g.External) > 0 {
		external = " in external data"
	}
	return fmt.Sprintf("%.1f MB of %s%s, opset %d, %s; takes %s", float64(g.WeightBytes)/1e6, g.WeightType, external, g.Opset, axes, strings.Join(inputs, ", "))
}
