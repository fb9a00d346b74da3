package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/wallet"
)

// neuronJSON is one place of a subnet. Incentive, dividends, trust and consensus are from 0 to 1; stake and emission are in TAO or the subnet's alpha.
type neuronJSON struct {
	UID        uint16  `json:"uid"`
	Hotkey     string  `json:"hotkey"`
	Coldkey    string  `json:"coldkey"`
	Stake      float64 `json:"stake"`
	Permit     bool    `json:"permit"`
	Active     bool    `json:"active"`
	LastUpdate uint64  `json:"last_update"`
	Registered uint64  `json:"registered"`
	Incentive  float64 `json:"incentive"`
	Dividends  float64 `json:"dividends"`
	Trust      float64 `json:"trust"`
	Consensus  float64 `json:"consensus"`
	Emission   float64 `json:"emission"`
	Axon       *string `json:"axon"` // host:port; null where it serves nowhere
}

func (a *app) metagraphCommand() *cobra.Command {
	f := &chainFlags{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "metagraph",
		Short: "Show a subnet: who is in it, and what the last epoch made of them",
		Args:  exactArgs(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return f.head(c.Context(), a, func(s *chain.State) error {
				g, err := s.Metagraph(c.Context(), f.netuid)
				if err != nil {
					return err
				}
				return a.printMetagraph(g)
			})
		},
	})
	f.endpointFlags(c)
	return c
}

func (a *app) printMetagraph(g *chain.Metagraph) error {
	if !a.json {
		fmt.Printf("subnet %d at block %d: %d neurons, tempo %d, last epoch at block %d\n", g.Netuid, g.Block, len(g.Neurons), g.Tempo, g.LastStep)
		fmt.Printf("weights: version key %d, at least %d, every %d blocks, commit-reveal %v\n\n", g.VersionKey, g.MinWeights, g.RateLimit, g.CommitMode)
		t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "UID\tHOTKEY\tSTAKE\tPERMIT\tUPDATED\tINCENTIVE\tDIVIDENDS\tAXON")
		for _, n := range g.Neurons {
			address := "-"
			if n.Axon.IsValid() {
				address = n.Axon.String()
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%v\t%d\t%.4f\t%.4f\t%s\n", n.UID, wallet.Address(n.Hotkey), tao(n.Stake), n.Permit, n.LastUpdate, share(n.Incentive), share(n.Dividends), address)
		}
		return t.Flush()
	}
	neurons := make([]neuronJSON, len(g.Neurons))
	for i, n := range g.Neurons {
		neurons[i] = neuronJSON{UID: n.UID, Hotkey: wallet.Address(n.Hotkey), Coldkey: wallet.Address(n.Coldkey), Stake: float64(n.Stake) / 1e9,
			Permit: n.Permit, Active: n.Active, LastUpdate: n.LastUpdate, Registered: n.Registered, Incentive: share(n.Incentive), Dividends: share(n.Dividends),
			Trust: share(n.Trust), Consensus: share(n.Consensus), Emission: float64(n.Emission) / 1e9}
		if n.Axon.IsValid() {
			address := n.Axon.String()
			neurons[i].Axon = &address
		}
	}
	return printJSON(os.Stdout, map[string]any{"netuid": g.Netuid, "block": g.Block, "tempo": g.Tempo, "last_step": g.LastStep, "min_allowed_weights": g.MinWeights,
		"weights_version": g.VersionKey, "weights_rate_limit": g.RateLimit, "commit_reveal_weights_enabled": g.CommitMode, "neurons": neurons})
}

// share is a 65535th as a number from 0 to 1.
func share(v uint16) float64 { return float64(v) / 65535 }
