package main

import "context"

func fit(context.Context, options) error   { return nil }
func check(context.Context, options) error { return nil }
