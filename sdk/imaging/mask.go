package imaging

import "math"

// A mask is a gray picture in which 255 is in and 0 is out. These functions take the gray of any other picture.

// Threshold makes a mask of 255 where the gray is 128 or above, and 0 elsewhere.
func Threshold(mask Pixels) Pixels {
	gray := mask.Gray()
	out := Pixels{Width: gray.Width, Height: gray.Height, Channels: 1, Pix: make([]byte, len(gray.Pix))}
	for i, v := range gray.Pix {
		if v >= 128 {
			out.Pix[i] = 255
		}
	}
	return out
}

// Dilate grows a mask: each pixel becomes the highest in a disc of radius px around it. Beyond the picture's edge all is out.
func Dilate(mask Pixels, radius int) Pixels {
	gray := mask.Gray()
	w, h := gray.Width, gray.Height
	if radius < 1 || w < 1 || h < 1 {
		return gray
	}
	radius = min(radius, w+h) // reaches every pixel
	out := Pixels{Width: w, Height: h, Channels: 1, Pix: make([]byte, w*h)}
	line := make([]byte, w+2*radius)
	for dy := max(-radius, 1-h); dy <= min(radius, h-1); dy++ {
		reach := int(math.Sqrt(float64(radius*radius - dy*dy)))
		for y := max(0, -dy); y < min(h, h-dy); y++ {
			highest := windowMax(line, gray.Pix[(y+dy)*w:][:w], reach)
			for x, v := range out.Pix[y*w:][:w] {
				out.Pix[y*w+x] = max(v, highest[x])
			}
		}
	}
	return out
}

// windowMax is the highest of the 2*reach+1 values around each of a row. It works in line: the windows double until they are long enough.
func windowMax(line, row []byte, reach int) []byte {
	line = line[:len(row)+2*reach]
	clear(line)
	copy(line[reach:], row)
	for length := 1; length < 2*reach+1; {
		step := min(length, 2*reach+1-length)
		for x := range len(line) - step {
			line[x] = max(line[x], line[x+step])
		}
		length += step
	}
	return line[:len(row)]
}
