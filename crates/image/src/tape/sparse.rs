//! Files with holes: GNU tar's old form in header blocks, and its three forms in PAX records
//! (GNU tar manual, "Storing Sparse Files"), of which bsdtar writes the newest.

use std::io::Read;

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::{BLOCK, Tape, TapeError, broken, pax, read_full};

/// The most pieces of a sparse file, each of them two numbers in memory.
const PIECES_LIMIT: usize = 1 << 16;

/// Offsets and lengths of what is not a hole, and the size of the file.
type Map = (Vec<(u64, u64)>, u64);

impl<R: Read> Tape<R> {
    /// The map of the old form: in the header, and in blocks between it and the content.
    pub(super) fn old_sparse(&mut self, header: &Header) -> Result<Map, TapeError> {
        let invalid = |_| TapeError::Field { field: "sparse map" };
        let gnu = header.as_gnu().ok_or(TapeError::Sparse)?;
        let size = gnu.real_size().map_err(invalid)?;
        let mut pieces = Vec::new();
        let mut add = |entries: &[GnuSparseHeader]| -> Result<(), TapeError> {
            for entry in entries.iter().filter(|entry| !entry.is_empty()) {
                pieces.push((entry.offset().map_err(invalid)?, entry.length().map_err(invalid)?));
            }
            if pieces.len() > PIECES_LIMIT { Err(TapeError::Sparse) } else { Ok(()) }
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            if read_full(&mut self.input, block.as_mut_bytes())? != BLOCK {
                return Err(TapeError::Truncated);
            }
            add(block.sparse())?;
            more = block.is_extended();
        }
        self.checked(pieces, size)
    }

    /// The map of a newer form: in the records, or (1.0) before the content.
    pub(super) fn pax_sparse(&mut self, said: pax::Sparse) -> Result<Map, TapeError> {
        let size = said.size.ok_or(TapeError::Sparse)?;
        let numbers = match said.major {
            0 => said.numbers,
            1 => self.numbers_before_content()?,
            _ => return Err(TapeError::Sparse),
        };
        if numbers.len() % 2 != 0 || numbers.len() / 2 > PIECES_LIMIT {
            return Err(TapeError::Sparse);
        }
        self.checked(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), size)
    }

    /// Lines of decimal numbers, the first says how many pairs follow; whole blocks.
    fn numbers_before_content(&mut self) -> Result<Vec<u64>, TapeError> {
        let mut numbers = Vec::new();
        let mut line = 0_u64;
        let mut wanted = None;
        let mut block = [0; BLOCK];
        while wanted.is_none_or(|wanted| numbers.len() < wanted) {
            self.content().read_exact(&mut block).map_err(broken)?;
            for byte in block {
                match byte {
                    b'0'..=b'9' => {
                        let longer =
                            line.checked_mul(10).and_then(|line| line.checked_add((byte - b'0').into()));
                        line = longer.ok_or(TapeError::Sparse)?;
                        continue;
                    }
                    b'\n' if wanted.is_none() => wanted = Some(pairs(line)? * 2),
                    b'\n' => numbers.push(line),
                    _ => return Err(TapeError::Sparse),
                }
                line = 0;
                if wanted == Some(numbers.len()) {
                    break;
                }
            }
        }
        Ok(numbers)
    }

    /// Pieces are in order, do not overlap, lie in the file and are all the content.
    fn checked(&self, pieces: Vec<(u64, u64)>, size: u64) -> Result<Map, TapeError> {
        let (mut end, mut total) = (0_u64, 0_u64);
        for (offset, length) in &pieces {
            let next = offset.checked_add(*length).filter(|next| *offset >= end && *next <= size);
            end = next.ok_or(TapeError::Sparse)?;
            total += length;
        }
        if total == self.content { Ok((pieces, size)) } else { Err(TapeError::Sparse) }
    }
}

fn pairs(count: u64) -> Result<usize, TapeError> {
    usize::try_from(count).ok().filter(|count| *count <= PIECES_LIMIT).ok_or(TapeError::Sparse)
}
