package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/chain/wallet"
)

func (a *app) walletCommand() *cobra.Command {
	c := &cobra.Command{Use: "wallet", Short: "Look at Bittensor wallets, and make hotkeys", Args: exactArgs(0, ""), RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(a.walletInspectCommand(), a.walletNewHotkeyCommand())
	return c
}

// walletJSON is what may be told of a wallet.
type walletJSON struct {
	Path    string `json:"path"`
	Name    string `json:"name"`
	Hotkey  string `json:"hotkey"`
	Address string `json:"hotkey_ss58"`
	Coldkey string `json:"coldkey_ss58"`
}

func (a *app) walletInspectCommand() *cobra.Command {
	f := &chainFlags{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "inspect",
		Short: "Show a wallet's addresses; the coldkey itself is never opened",
		Args:  exactArgs(0, ""),
		RunE: func(*cobra.Command, []string) error {
			dir, err := f.dir()
			if err != nil {
				return err
			}
			hotkey, err := f.public()
			if err != nil {
				return err
			}
			coldkey, err := wallet.ReadPublic(filepath.Join(dir, f.name, "coldkeypub.txt"))
			if err != nil {
				return err
			}
			out := walletJSON{filepath.Join(dir, f.name), f.name, f.hotkey, wallet.Address(hotkey), wallet.Address(coldkey)}
			if a.json {
				return printJSON(os.Stdout, out)
			}
			t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "wallet\t%s\nhotkey %s\t%s\ncoldkey\t%s\n", out.Path, out.Hotkey, out.Address, out.Coldkey)
			return t.Flush()
		},
	})
	f.walletFlags(c)
	return c
}

func (a *app) walletNewHotkeyCommand() *cobra.Command {
	f := &chainFlags{}
	var quiet bool
	var coldkey string
	c := a.jsonFlag(&cobra.Command{
		Use:   "new-hotkey",
		Short: "Make a hotkey; its words are shown once, and are the only other copy",
		Args:  exactArgs(0, ""),
		RunE: func(*cobra.Command, []string) error {
			dir, err := f.dir()
			if err != nil {
				return err
			}
			words, k, err := wallet.Create(rand.Reader, dir, f.name, f.hotkey, coldkey)
			if errors.Is(err, wallet.ErrExists) || errors.Is(err, wallet.ErrName) || errors.Is(err, wallet.ErrAddress) {
				return &usageError{err}
			}
			if err != nil {
				return err
			}
			if quiet {
				words = ""
			}
			if a.json {
				return printJSON(os.Stdout, map[string]any{"name": f.name, "hotkey": f.hotkey, "hotkey_ss58": k.Address(), "mnemonic": words})
			}
			fmt.Println(k.Address())
			if words != "" {
				fmt.Fprintf(os.Stderr, "Write these words down. Whoever has them has the hotkey:\n\n    %s\n\n", words)
			}
			return nil
		},
	})
	f.walletFlags(c)
	c.Flags().StringVar(&coldkey, "coldkey", "", "`ADDRESS` of the coldkey that will own it, for a wallet that does not name one yet")
	c.Flags().BoolVar(&quiet, "no-mnemonic", false, "do not show the words")
	return c
}
