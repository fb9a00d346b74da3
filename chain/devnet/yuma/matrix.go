package yuma

import (
	"cmp"
	"slices"
)

// cell is one entry of a sparse row.
type cell struct {
	uid   uint16
	value fixed
}

// matrix holds a row for every uid, each in the order of its cells' uids. A cell of value 0 is not the same as none: see moveLiquid.
type matrix [][]cell

// load reads stored rows and leaves out the cells that keep refuses. Values are whole numbers: only their proportions matter.
func load(rows [][]Weight, keep func(i, j int) bool) matrix {
	m := make(matrix, len(rows))
	for i, row := range rows {
		for _, w := range row {
			if keep(i, int(w.UID)) {
				m[i] = append(m[i], cell{w.UID, fixed(w.Value) << 32})
			}
		}
		slices.SortFunc(m[i], func(a, b cell) int { return cmp.Compare(a.uid, b.uid) })
	}
	return m
}

// each is a copy with every value replaced. Where keep is false the cell is left out.
func (m matrix) each(f func(i int, c cell) (value fixed, keep bool)) matrix {
	out := make(matrix, len(m))
	for i, row := range m {
		for _, c := range row {
			if v, keep := f(i, c); keep {
				out[i] = append(out[i], cell{c.uid, v})
			}
		}
	}
	return out
}

// normalizeRows makes each row's sum 1: inplace_row_normalize_sparse in math.rs.
func (m matrix) normalizeRows() {
	for i, total := range m.sumRows() {
		for k := range m[i] {
			if total > 0 {
				m[i][k].value = div(m[i][k].value, total)
			}
		}
	}
}

func (m matrix) sumRows() []fixed {
	sums := make([]fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			sums[i] += c.value
		}
	}
	return sums
}

// normalizeColumns makes each column's sum 1: inplace_col_normalize_sparse in math.rs.
func (m matrix) normalizeColumns() {
	m.divideColumns(func(total *fixed, v fixed) { *total += v })
}

// upscaleColumns makes each column's largest value 1: inplace_col_max_upscale_sparse in math.rs.
func (m matrix) upscaleColumns() {
	m.divideColumns(func(largest *fixed, v fixed) { *largest = max(*largest, v) })
}

func (m matrix) divideColumns(gather func(*fixed, fixed)) {
	by := make([]fixed, len(m))
	for _, row := range m {
		for _, c := range row {
			gather(&by[c.uid], c.value)
		}
	}
	for _, row := range m {
		for k, c := range row {
			if by[c.uid] != 0 {
				row[k].value = div(c.value, by[c.uid])
			}
		}
	}
}

// weighRows is sum_i x_i m_ij for every j: matmul_sparse in math.rs.
func (m matrix) weighRows(x []fixed) []fixed {
	out := make([]fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			out[c.uid] += mul(x[i], c.value)
		}
	}
	return out
}

// weighColumns is sum_j x_j m_ij for every i: matmul_transpose_sparse in math.rs.
func (m matrix) weighColumns(x []fixed) []fixed {
	out := make([]fixed, len(m))
	for i, row := range m {
		for _, c := range row {
			out[i] += mul(x[c.uid], c.value)
		}
	}
	return out
}

// clip is min(m_ij, limit_j), without the cells that this makes 0: col_clip_sparse in math.rs.
func (m matrix) clip(limit []fixed) matrix {
	return m.each(func(_ int, c cell) (fixed, bool) {
		v := min(c.value, limit[c.uid])
		return v, v > 0 || c.value == 0
	})
}
