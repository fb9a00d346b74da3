package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/reward/gbdt"
)

func (a *app) rewardCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reward",
		Short: "How results of miners are compared",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unknown command %q; `vision reward` lists them", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.rewardCompareCommand(), a.rewardPredictCommand(), a.rewardRetrainCommand(), a.rewardModelsCommand(), a.rewardUseCommand())
	return c
}

func (a *app) rewardPredictCommand() *cobra.Command {
	var model, features string
	c := a.jsonFlag(&cobra.Command{
		Use:   "predict --model FILE --features X,X,...",
		Short: "Show what a reward model says of one row of features",
		Long: "Evaluates an XGBoost model (JSON as save_model writes it, gbtree or dart, binary:logistic) on one row of features, and prints the\n" +
			"margin and the probability. The features are in the model's order; nan is a missing one.",
		Args: exactArgs(0, "--model FILE --features X,X,..."),
		RunE: func(*cobra.Command, []string) error {
			m, err := readModel(model)
			if err != nil {
				return &usageError{fmt.Errorf("--model: %w", err)}
			}
			row, err := parseRow(features)
			if err != nil {
				return &usageError{fmt.Errorf("--features: %w", err)}
			}
			margin, probability, err := m.Predict(row)
			if errors.Is(err, gbdt.ErrRow) {
				return &usageError{fmt.Errorf("--features: %w", err)}
			} else if err != nil {
				return err
			}
			if a.json {
				return printJSON(os.Stdout, map[string]float64{"margin": margin, "probability": probability})
			}
			fmt.Printf("margin       %.6f\nprobability  %.6f\n", margin, probability)
			return nil
		},
	})
	flags := c.Flags()
	flags.StringVar(&model, "model", "", "the model's `FILE`")
	flags.StringVar(&features, "features", "", "the row's numbers as `X,X,...`; nan is a missing one")
	return c
}

// readModel reads no more of a file than a model may have.
func readModel(path string) (*gbdt.Model, error) {
	if path == "" {
		return nil, errors.New("name the file of a model")
	}
	data, err := readAtMost(path, gbdt.MaxBytes)
	if err != nil {
		return nil, err
	}
	m, err := gbdt.Load(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseRow(text string) (row []float64, err error) {
	for i, s := range strings.Split(text, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return nil, fmt.Errorf("number %d is %q, not a number or nan", i+1, s)
		}
		row = append(row, x)
	}
	return row, nil
}
