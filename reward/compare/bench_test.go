package compare

import (
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

// BenchmarkCompare is the whole way from two files of 512 x 512 px to the probability.
func BenchmarkCompare(b *testing.B) {
	m, err := Shipped(Image)
	if err != nil {
		b.Fatal(err)
	}
	a := noise(1, 32, 32, 3).Resize(512, 512, imaging.Bicubic)
	data, err := a.PNG()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		x, err := ReadPicture(data, nil)
		if err != nil {
			b.Fatal(err)
		}
		y, err := ReadPicture(data, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Compare(x, y, 1); err != nil {
			b.Fatal(err)
		}
	}
}
