-- Apache runs clean() first for every request to the app's host (mod_lua), so that identity headers can be trusted.
function clean(r)
    -- Only paths of this host. ProxyPass would shorten "//" at the front, and the app see another path than Doorkey.
    if not r.the_request:match("^%u+ /[^/]") then return 400 end
    -- Headers that pretend to be Doorkey's, in any case and with anything for a - that an app may take for one.
    for name in pairs(r:headers_in_table()) do
        local plain = name:lower():gsub("%W", "-")
        if plain:match("^x%-doorkey%-") or plain:match("^x%-auth%-request%-") then r.headers_in[name] = nil end
    end
    -- "Connection: close, X-Doorkey-User" would make Apache take that header away from the app again.
    local connection = (r.headers_in["Connection"] or ""):lower()
    r.headers_in["Connection"] = connection:match("upgrade") or connection:match("close")
    return apache2.DECLINED
end

-- The answer while Doorkey is away, instead of mod_authnz_fcgi's 500.
function unavailable(r)
    r.status = 503
    r.content_type = "application/json"
    r.err_headers_out["Retry-After"] = "5"
    r.err_headers_out["Cache-Control"] = "no-store"
    r:puts('{"error":"auth_unavailable"}')
    return apache2.OK
end
