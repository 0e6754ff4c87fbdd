//! The unwind tables of a program: `.eh_frame_hdr` and `.eh_frame`.

use super::{REGISTERS, RETURN, RSP, Registers, Window};

/// The most states that a function's table may remember.
const REMEMBERED: usize = 4;

/// The segment of the program that holds `.eh_frame_hdr` and `.eh_frame`.
#[derive(Debug)]
pub(super) struct Tables {
    pub bytes: &'static [u8],
    /// The address of its first byte.
    pub base: usize,
    /// The address of `.eh_frame_hdr`.
    pub header: usize,
}

/// A function's place and its instructions for unwinding.
pub(super) struct Function<'t> {
    pub start: usize,
    common: Common<'t>,
    instructions: Reader<'t>,
}

/// What functions share (a CIE).
struct Common<'t> {
    code_align: usize,
    data_align: isize,
    encoding: u8,
    has_augmentation: bool,
    instructions: Reader<'t>,
}

impl Tables {
    fn at(&self, address: usize) -> Option<Reader<'_>> {
        let offset = address.checked_sub(self.base)?;
        let bytes = self.bytes.get(offset..)?;
        Some(Reader { bytes, address })
    }

    /// Finds a function in the sorted table of the header (LSB, «Exception
    /// Frames»), in the one form that linkers write.
    pub fn function(&self, pc: usize) -> Option<Function<'_>> {
        let mut header = self.at(self.header)?;
        let form = header.take(4)?;
        if form != [1, 0x1b, 0x03, 0x3b] {
            return None;
        }
        header.take(4)?;
        let count = header.u32()? as usize;
        let table = header.address;
        let entry = |number: usize| -> Option<(usize, usize)> {
            let mut entry = self.at(table + number * 8)?;
            let start = self.header.wrapping_add_signed(entry.i32()?);
            Some((start, self.header.wrapping_add_signed(entry.i32()?)))
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match entry(middle)?.0 <= pc {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        self.description(entry(low.checked_sub(1)?)?.1, pc)
    }

    /// Reads the description of a function (an FDE), if `pc` is inside.
    fn description(&self, address: usize, pc: usize) -> Option<Function<'_>> {
        let mut fde = self.at(address)?.record()?;
        let here = fde.address;
        let back = fde.u32()? as usize;
        let common = self.common(here.checked_sub(back)?)?;
        let start = fde.pointer(common.encoding)?;
        // The length has the pointer's width but is relative to nothing.
        let length = fde.pointer(common.encoding & 0x0f)?;
        if !(start..start.checked_add(length)?).contains(&pc) {
            return None;
        }
        if common.has_augmentation {
            let length = fde.uleb()?;
            fde.take(length)?;
        }
        Some(Function { start, common, instructions: fde })
    }

    fn common(&self, address: usize) -> Option<Common<'_>> {
        let mut cie = self.at(address)?.record()?;
        let id = cie.u32()?;
        let version = cie.u8()?;
        if id != 0 || !matches!(version, 1 | 3) {
            return None;
        }
        let length = cie.bytes.iter().position(|b| *b == 0)?;
        let augmentation = cie.take(length)?;
        cie.take(1)?;
        let code_align = cie.uleb()?;
        let data_align = cie.sleb()?;
        let column =
            if version == 1 { cie.u8()? as usize } else { cie.uleb()? };
        if column != RETURN {
            return None;
        }
        let has_augmentation = augmentation.first() == Some(&b'z');
        let mut encoding = 0;
        if has_augmentation {
            let length = cie.uleb()?;
            let address = cie.address;
            let mut data = Reader { bytes: cie.take(length)?, address };
            for letter in &augmentation[1..] {
                match letter {
                    b'R' => encoding = data.u8()?,
                    b'L' => _ = data.u8()?,
                    b'P' => {
                        let form = data.u8()?;
                        // Only how long it is matters.
                        data.pointer(form & 0x0f)?;
                    }
                    // Whether it is a signal's frame, or protected.
                    b'S' | b'B' => {}
                    _ => return None,
                }
            }
        }
        Some(Common {
            code_align,
            data_align,
            encoding,
            has_augmentation,
            instructions: cie,
        })
    }

    /// Returns how the caller's registers are found at an address.
    pub fn row(&self, pc: usize) -> Option<Row> {
        let function = self.function(pc)?;
        let common = &function.common;
        let mut machine = Machine {
            row: Row::default(),
            initial: Row::default(),
            remembered: [Row::default(); REMEMBERED],
            depth: 0,
            at: function.start,
        };
        machine.run(&mut common.instructions.clone(), common, usize::MAX)?;
        machine.initial = machine.row;
        machine.run(&mut function.instructions.clone(), common, pc)?;
        Some(machine.row)
    }
}

/// How one register of the caller is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rule {
    /// It was not changed.
    #[default]
    Same,
    /// In memory, so far from the frame's address.
    Offset(isize),
    /// There is none: the outermost frame.
    Undefined,
    /// In a way that is not understood.
    Unknown,
}

/// How the caller's registers are found at one place of a function.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    /// The frame's address: a register, and an offset to it.
    frame: Option<(usize, isize)>,
    rules: [Rule; REGISTERS],
}

impl Row {
    /// Goes from a function's registers to those of its caller.
    pub fn step(
        &self,
        registers: &mut Registers,
        memory: &mut Window,
    ) -> Option<()> {
        let (register, offset) = self.frame?;
        let old = registers.0;
        let frame = old.get(register)?.checked_add_signed(offset)?;
        // Stacks grow down: the caller's frame lies above.
        if frame <= old[RSP] || !frame.is_multiple_of(8) {
            return None;
        }
        let Rule::Offset(_) = self.rules[RETURN] else { return None };
        for (rule, value) in self.rules.iter().zip(&mut registers.0) {
            match rule {
                Rule::Same => {}
                Rule::Offset(offset) => {
                    *value = memory.word(frame.checked_add_signed(*offset)?)?;
                }
                Rule::Undefined | Rule::Unknown => *value = 0,
            }
        }
        registers.0[RSP] = frame;
        (registers.0[RETURN] != 0).then_some(())
    }
}

/// Carries out a function's instructions (DWARF 5 §6.4.2).
struct Machine {
    row: Row,
    initial: Row,
    remembered: [Row; REMEMBERED],
    depth: usize,
    at: usize,
}

impl Machine {
    /// Goes as far as the row for `pc`.
    fn run(
        &mut self,
        code: &mut Reader<'_>,
        common: &Common<'_>,
        pc: usize,
    ) -> Option<()> {
        let scaled = |n: usize| Some(common.data_align * n as isize);
        while !code.bytes.is_empty() {
            let byte = code.u8()?;
            let low = usize::from(byte & 0x3f);
            let mut advance = None;
            match (byte & 0xc0, byte) {
                (0x40, _) => advance = Some(low),
                (0x80, _) => {
                    let offset = scaled(code.uleb()?)?;
                    self.set(low, Rule::Offset(offset));
                }
                (0xc0, _) => self.restore(low),
                (_, 0x00) => {}
                (_, 0x02) => advance = Some(code.u8()? as usize),
                (_, 0x03) => {
                    let bytes = code.take(2)?;
                    advance =
                        Some(u16::from_le_bytes([bytes[0], bytes[1]]).into());
                }
                (_, 0x04) => advance = Some(code.u32()? as usize),
                (_, 0x05) => {
                    let register = code.uleb()?;
                    let offset = scaled(code.uleb()?)?;
                    self.set(register, Rule::Offset(offset));
                }
                (_, 0x11) => {
                    let register = code.uleb()?;
                    let offset = code.sleb()?.checked_mul(common.data_align)?;
                    self.set(register, Rule::Offset(offset));
                }
                (_, 0x06) => {
                    let register = code.uleb()?;
                    self.restore(register);
                }
                (_, 0x07) => {
                    let register = code.uleb()?;
                    self.set(register, Rule::Undefined);
                }
                (_, 0x08) => {
                    let register = code.uleb()?;
                    self.set(register, Rule::Same);
                }
                (_, 0x09 | 0x14) => {
                    let register = code.uleb()?;
                    code.uleb()?;
                    self.set(register, Rule::Unknown);
                }
                (_, 0x0a) => {
                    *self.remembered.get_mut(self.depth)? = self.row;
                    self.depth += 1;
                }
                (_, 0x0b) => {
                    self.depth = self.depth.checked_sub(1)?;
                    self.row = self.remembered[self.depth];
                }
                (_, 0x0c) => {
                    let register = code.uleb()?;
                    self.row.frame = Some((register, code.uleb()? as isize));
                }
                (_, 0x12) => {
                    let register = code.uleb()?;
                    let offset = code.sleb()?.checked_mul(common.data_align)?;
                    self.row.frame = Some((register, offset));
                }
                (_, 0x0d) => {
                    let register = code.uleb()?;
                    self.row.frame = Some((register, self.row.frame?.1));
                }
                (_, 0x0e) => {
                    let offset = code.uleb()? as isize;
                    self.row.frame = Some((self.row.frame?.0, offset));
                }
                (_, 0x13) => {
                    let offset = code.sleb()?.checked_mul(common.data_align)?;
                    self.row.frame = Some((self.row.frame?.0, offset));
                }
                (_, 0x0f) => {
                    let length = code.uleb()?;
                    code.take(length)?;
                    self.row.frame = None;
                }
                (_, 0x10 | 0x16) => {
                    let register = code.uleb()?;
                    let length = code.uleb()?;
                    code.take(length)?;
                    self.set(register, Rule::Unknown);
                }
                // The size of arguments changes no rule.
                (_, 0x2e) => _ = code.uleb()?,
                _ => return None,
            }
            if let Some(steps) = advance {
                let step = steps.checked_mul(common.code_align)?;
                let next = self.at.checked_add(step)?;
                if next > pc {
                    return Some(());
                }
                self.at = next;
            }
        }
        Some(())
    }

    fn set(&mut self, register: usize, rule: Rule) {
        // Vector registers are of no interest.
        if let Some(slot) = self.row.rules.get_mut(register) {
            *slot = rule;
        }
    }

    fn restore(&mut self, register: usize) {
        if let Some(rule) = self.initial.rules.get(register) {
            self.set(register, *rule);
        }
    }
}

/// Reads from the tables.
#[derive(Clone)]
struct Reader<'t> {
    bytes: &'t [u8],
    /// The address of the first byte that is left.
    address: usize,
}

impl<'t> Reader<'t> {
    fn take(&mut self, length: usize) -> Option<&'t [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        self.address += length;
        Some(taken)
    }

    /// Returns a reader of the record here, which begins with its length.
    fn record(&mut self) -> Option<Reader<'t>> {
        let length = self.u32()?;
        let address = self.address;
        // All ones: a 64-bit length, which no table of 2 GB needs.
        let bytes = self.take(length as usize)?;
        Some(Reader { bytes, address })
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn i32(&mut self) -> Option<isize> {
        Some(self.u32()? as i32 as isize)
    }

    fn uleb(&mut self) -> Option<usize> {
        let (mut value, mut shift) = (0usize, 0);
        loop {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    fn sleb(&mut self) -> Option<isize> {
        let (mut value, mut shift) = (0isize, 0);
        loop {
            let byte = self.u8()?;
            value |= isize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0 && shift < isize::BITS;
                return Some(if negative {
                    value | -1 << shift
                } else {
                    value
                });
            }
        }
    }

    /// Reads a pointer in one of the forms that occur (`DW_EH_PE_…`).
    fn pointer(&mut self, form: u8) -> Option<usize> {
        let here = self.address;
        let value = match form & 0x0f {
            0x00 | 0x04 | 0x0c => {
                usize::from_le_bytes(self.take(8)?.try_into().ok()?)
            }
            0x03 => self.u32()? as usize,
            0x0b => self.i32()? as usize,
            _ => return None,
        };
        match form & 0xf0 {
            0x00 => Some(value),
            0x10 => Some(here.wrapping_add(value)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_function_of_the_program_has_readable_tables() {
        let tables = super::super::tables().unwrap();
        let mut header = tables.at(tables.header + 8).unwrap();
        let count = header.u32().unwrap();
        let mut unknown = 0;
        for _ in 0..count {
            let start = header.i32().unwrap();
            header.u32().unwrap();
            let start = tables.header.wrapping_add_signed(start);
            let row = tables.row(start);
            unknown += u32::from(row.is_none_or(|r| r.frame.is_none()));
        }
        assert!(count > 1000 && unknown * 100 < count, "{unknown} of {count}");
    }
}
