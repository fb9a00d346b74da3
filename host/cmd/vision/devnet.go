package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/chain/devnet"
)

func (a *app) devnetCommand() *cobra.Command {
	f := &chainFlags{}
	o := devnet.Options{}
	var mode string
	c := &cobra.Command{
		Use:   "devnet",
		Short: "Run a local chain that speaks subtensor's language, with a subnet that is ready",
		Long: "Runs a chain in this process, for validators and miners on one machine and for tests: the same calls, rules and errors as subtensor for what a\n" +
			"subnet's members use, its own metadata, Yuma consensus at each epoch, and blocks as fast as asked. It keeps its state in DIR/devnet.state of --state.\n" +
			"Wallets of the subnet's neurons lie under --wallet.path: `--wallet.name dev0` is uid 0. Each block is 12 s of the chain's own time.",
		Args: exactArgs(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if err = o.CommitReveal.UnmarshalText([]byte(mode)); err != nil {
				return &usageError{fmt.Errorf("--commit-reveal: %w", err)}
			}
			if o.Log, err = a.logger(silent); err != nil {
				return err
			}
			if o.WalletPath, err = f.dir(); err != nil {
				return err
			}
			o.State = a.state
			n, err := devnet.Start(c.Context(), o)
			if errors.Is(err, devnet.ErrOptions) {
				return &usageError{err}
			}
			if err != nil {
				return err
			}
			fmt.Println(n.Address())
			fmt.Fprintf(os.Stderr, "subnet %d; wallets dev0, dev1 ... under %s; a block every %s\n", n.Netuid(), o.WalletPath, o.BlockTime)
			<-c.Context().Done()
			return n.Close()
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:9944", "`HOST:PORT` of websocket and HTTP; port 0 is any free one, and printed")
	flags.DurationVar(&o.BlockTime, "block-time", 12*time.Second, "`D` from block to block")
	flags.Uint16Var(&o.Netuid, "dev-subnet", 19, "`N`, the subnet's netuid")
	flags.IntVar(&o.Neurons, "dev-neurons", 4, "`K` neurons, uids 0 to K-1, each with a validator permit")
	flags.StringVar(&mode, "commit-reveal", "off", "off, v2 or v4")
	flags.Uint16Var(&o.Tempo, "tempo", 360, "`N` blocks of an epoch")
	flags.StringVar(&f.path, "wallet.path", "", "`DIR` of the wallets (default ~/.bittensor/wallets)")
	return c
}
