package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/rows"
)

// about says of each kind of model what the numbers do not.
var about = map[compare.Kind]string{
	compare.Image:     "Pictures of endpoints that draw a seed: text-to-image, image-to-image, inpaint, scribble, uncrop.",
	compare.Strict:    "Pictures of endpoints that draw none: upscale.",
	compare.Embedding: "Embeddings: no trees, a threshold of their cosine. A plugin declares its own (`Output.SameCosine`), 0.995 unless it says so, which is the original's; this is what the bundled tiny-clip would allow.",
}

// writeCards writes the page that shows what was measured.
func writeCards(cards []compare.Card) error {
	var page strings.Builder
	page.WriteString(`# The shipped reward models

Made by [reward/train](../../train/README.md), which writes this page. All figures are of held-out pairs: of prompts, and where it says so of kinds,
that were never trained on, evaluated by the code that the host runs. "At most" is the 95 % upper bound of the rate (Clopper and Pearson, one-sided).
The renders are of the bundled tiny models on a CPU; half precision is rounded in software. **Retrain before you judge other models or GPUs.**

The recipe was made on other draws of requests, and [what was decided by them](../../train/README.md#what-was-decided-after-looking) is written down.
"honest" leaves out half, which is emulated: with it, the bar would be missed.
`)
	for _, c := range cards {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n", c.Name, about[c.Kind])
		if c.Kind == compare.Embedding {
			fmt.Fprintf(&page, "The same from a cosine of %.9f on. AUC %.6f.\n\n", c.Tau, c.AUC)
		} else {
			fmt.Fprintf(&page, "%d trees; the same from a probability of %.4f on. AUC %.6f.\n\nFeatures: %s.\n\n", c.Trees, c.Tau, c.AUC, strings.Join(c.Features, ", "))
		}
		for _, note := range c.Notes {
			fmt.Fprintf(&page, "**Missed:** %s.\n\n", note)
		}
		page.WriteString("| kind | is | trained on | pairs | wrong | rate | at most | bar |\n|---|---|---|---|---|---|---|---|\n")
		for _, r := range c.Rates {
			is, seen, bar := "different", "yes", "-"
			if r.Same {
				is = "the same"
			}
			switch {
			case r.Kind == "honest", r.Kind == "all cheats":
				seen = "in part"
			case reportedKinds[r.Kind]:
				seen = "no, reported alone"
			case r.Unseen:
				seen = "no"
			}
			if b, barred := rows.Bar(c.Kind, r.Kind); barred {
				bar = fmt.Sprintf("%g", b)
			}
			fmt.Fprintf(&page, "| %s | %s | %s | %d | %d | %.2g | %.2g | %s |\n", r.Kind, is, seen, r.Pairs, r.Wrong, float64(r.Wrong)/float64(r.Pairs), r.Upper, bar)
		}
	}
	return os.WriteFile(filepath.Join(models, "README.md"), []byte(page.String()), 0o644)
}
