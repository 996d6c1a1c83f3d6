-- The action lua.doorkey of haproxy.cfg: asks Doorkey about a request, and lets it go on or answers it.
local CHECK = "http://127.0.0.1/check/nginx" -- a named policy: /check/nginx/<policy>
local THROUGH = "abns@doorkey-check"
local TOLD = { "cookie", "authorization", "accept", "x-requested-with", "sec-fetch-mode", "sec-fetch-dest", "upgrade",
    "content-type" }
local IDENTITY = { "x-doorkey-user", "x-doorkey-email", "x-doorkey-name", "x-doorkey-groups", "x-doorkey-provider",
    "x-doorkey-session", "x-doorkey-assertion", "x-doorkey-access-token", "x-auth-request-user",
    "x-auth-request-email", "x-auth-request-preferred-username", "x-auth-request-groups", "x-auth-request-access-token" }

-- All values of a header in their order; HAProxy counts them from 0.
local function values(txn, name)
    local sent, list = txn.http:req_get_headers()[name], {}
    for at = 0, sent and #sent or -1 do table.insert(list, sent[at]) end
    return list
end

local function ask(txn)
    local headers = {
        ["x-original-method"] = { txn.sf:method() },
        ["x-original-url"] = { "https://" .. txn.sf:req_fhdr("host") .. txn.sf:pathq() },
        ["x-forwarded-for"] = { txn.sf:src() },
    }
    for _, name in ipairs(TOLD) do headers[name] = values(txn, name) end
    return core.httpclient():get{ url = CHECK, dst = THROUGH, headers = headers }
end

-- The app has no business with Doorkey's cookies.
local function keep_app_cookies(txn)
    local sent = values(txn, "cookie")
    txn.http:req_del_header("cookie")
    for _, line in ipairs(sent) do
        local kept = {}
        for pair in line:gmatch("[^;]+") do
            local name = pair:match("^%s*([^=]*)")
            if name ~= "__Secure-doorkey-gate" and not name:match("^__Host%-doorkey") then
                table.insert(kept, pair:match("^%s*(.-)%s*$"))
            end
        end
        if #kept > 0 then txn.http:req_add_header("cookie", table.concat(kept, "; ")) end
    end
end

local function answer(txn, status, headers, body)
    local reply = txn:reply{ status = status, body = body }
    reply:add_header("cache-control", "no-store")
    for name, value in pairs(headers) do reply:add_header(name, value) end
    txn:done(reply)
end

core.register_action("doorkey", { "http-req" }, function(txn)
    local said = ask(txn)
    local function header(name) return said.headers and said.headers[name] and said.headers[name][0] end
    if said.status == 200 then
        for _, name in ipairs(IDENTITY) do
            if header(name) then txn.http:req_set_header(name, header(name)) end
        end
        keep_app_cookies(txn)
        txn:set_var("txn.doorkey", "allowed")
        return
    end
    local method = txn.sf:method()
    local json = { ["content-type"] = "application/json", ["x-doorkey-request-id"] = header("x-doorkey-request-id"),
        ["x-doorkey-reason"] = header("x-doorkey-reason"), ["www-authenticate"] = header("www-authenticate") }
    if said.status == 401 and header("location") then
        answer(txn, (method == "GET" or method == "HEAD") and 302 or 303, { location = header("location") })
    elseif said.status == 401 then
        answer(txn, 401, json, header("x-doorkey-body"))
    elseif said.status == 403 and header("x-doorkey-page") then
        answer(txn, 302, { location = header("x-doorkey-page") })
    elseif said.status == 403 then
        answer(txn, 403, json, header("x-doorkey-body"))
    else
        answer(txn, 503, { ["content-type"] = "application/json", ["retry-after"] = "5" }, '{"error":"auth_unavailable"}')
    end
end, 0)
