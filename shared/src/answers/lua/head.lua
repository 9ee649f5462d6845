-- Returns the time and the class of an answer (codec.rs says how it is written). Returns nil for anything else, and for a time
-- after `soon`, which no good clock has shown: such a value is as good as none.
local function head(value, soon)
    if type(value) ~= 'string' or #value < 11 or string.byte(value, 1) ~= 1 then
        return nil
    end
    local at = struct.unpack('>I8', value, 3)
    if at <= soon then
        return at, string.byte(value, 2)
    end
    return nil
end
