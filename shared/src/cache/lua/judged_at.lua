-- When a verdict was judged (value.rs says how it is written); nil for anything else, and for a time after `soon`, which no
-- good clock has shown: such a value is as good as none.
local function judged_at(value, soon)
    if type(value) ~= 'string' or #value < 14 or string.byte(value, 1) ~= 1 then
        return nil
    end
    local at = struct.unpack('>I8', value, 7)
    if at <= soon then
        return at
    end
    return nil
end
