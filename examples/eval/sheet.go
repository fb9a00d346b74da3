package main

import (
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/vision19/vision/sdk/imaging"
)

// A contact sheet shows the first cases. Each has its pictures side by side, the endpoint's answer last, and below them what was wanted; in red
// when a bar counts it as wrong.
const (
	sheetCases  = 64
	sheetAcross = 16  // pictures in a line, at most
	cell        = 128 // px a picture; smaller ones stand at the top left, of larger ones the middle is shown
	gap         = 6
	textHeight  = 14
)

// sheet paints the contact sheet.
func (s suite) sheet(results []result) *image.NRGBA {
	results = results[:min(len(results), sheetCases)]
	across := 1 // pictures a case
	for _, r := range results {
		across = max(across, len(r.pictures()))
	}
	group := image.Pt(across*(cell+gap)+gap, cell+textHeight+2*gap)
	columns := max(1, sheetAcross/across)
	img := image.NewNRGBA(image.Rect(0, 0, columns*group.X, (len(results)+columns-1)/columns*group.Y))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{240}), image.Point{}, draw.Src)
	for i, r := range results {
		corner := image.Pt(i%columns*group.X+gap, i/columns*group.Y)
		ink := color.NRGBA{A: 255}
		if s.wrong(r) {
			ink.R = 220
		}
		for k, p := range r.pictures() {
			paste(img, corner.Add(image.Pt(k*(cell+gap), gap)), p)
		}
		text := img.SubImage(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(group.X-gap, group.Y))}).(draw.Image)
		d := font.Drawer{Dst: text, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(corner.X, corner.Y+gap+cell+11)}
		d.DrawString(r.want.colour + " " + r.want.shape)
	}
	return img
}

// pictures are what is shown of a case.
func (r result) pictures() []imaging.Pixels {
	if r.refused() {
		return r.shown
	}
	return append(r.shown[:len(r.shown):len(r.shown)], r.picture)
}

// paste draws a picture, at most a cell of it.
func paste(img *image.NRGBA, at image.Point, picture imaging.Pixels) {
	p := picture.RGB().Crop(max(0, picture.Width-cell)/2, max(0, picture.Height-cell)/2, cell, cell)
	for y := range p.Height {
		for x := range p.Width {
			i := (y*p.Width + x) * 3
			img.SetNRGBA(at.X+x, at.Y+y, color.NRGBA{p.Pix[i], p.Pix[i+1], p.Pix[i+2], 255})
		}
	}
}
