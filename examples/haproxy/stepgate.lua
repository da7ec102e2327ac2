-- Asks stepgate about a request. Whatever goes wrong here leaves `stepgate_ok` unset, and HAProxy refuses.
local endpoint = "http://127.0.0.1:8080/.stepgate/authz/forward"

-- What the decision may depend on.
local asked = {
  "cookie", "authorization", "accept", "accept-language", "origin", "user-agent", "x-requested-with",
  "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user", "sec-websocket-key",
  "sec-websocket-version", "stepgate-code",
}

-- Who it is, for the app: each is set on every request, empty where there is nothing to say.
local told = {
  "remote-user",
  "remote-groups",
  "remote-name",
  "remote-email",
  "stepgate-acr",
  "stepgate-amr",
  "stepgate-auth-time",
  "stepgate-assertion",
}

-- Parts of an answer that belong to one connection.
local hop = { ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["content-length"] = true }

core.register_action("stepgate", { "http-req" }, function(txn)
  local seen, ask, cookies = txn.http:req_get_headers(), {}, {}
  for _, name in ipairs(asked) do
    if seen[name] then ask[name] = seen[name] end
  end
  local query = txn.f:query()
  ask["x-forwarded-method"] = { [0] = txn.f:method() }
  ask["x-forwarded-uri"] = { [0] = txn.f:path() .. (query and query ~= "" and "?" .. query or "") }
  ask["x-forwarded-host"] = { [0] = seen["host"] and seen["host"][0] or "" }
  ask["x-forwarded-proto"] = { [0] = "https" }
  ask["x-forwarded-for"] = { [0] = txn.f:src() }

  local answer = core.httpclient():get { url = endpoint, headers = ask, timeout = 10000 }
  if not answer or answer.status == 0 then return end
  if answer.status == 200 then
    for _, name in ipairs(told) do
      local value = answer.headers[name]
      txn.http:req_set_header(name, value and value[0] or "")
    end
    -- Stepgate's own cookies end here.
    for _, line in pairs(seen["cookie"] or {}) do
      local kept = {}
      for pair in line:gmatch("[^;]+") do
        local name = pair:match("^%s*([^=]*)"):gsub("^__Host%-", "")
        if name ~= "stepgate" and not name:find("^stepgate%-") then kept[#kept + 1] = pair:match("^%s*(.*)$") end
      end
      cookies[#cookies + 1] = #kept > 0 and table.concat(kept, "; ") or nil
    end
    txn.http:req_del_header("cookie")
    for _, line in ipairs(cookies) do txn.http:req_add_header("cookie", line) end
    txn:set_var("txn.stepgate_ok", true)
    return
  end
  if answer.status < 300 then return end
  -- The challenge or the refusal, as it is.
  local reply = txn:reply()
  reply:set_status(answer.status)
  for name, values in pairs(answer.headers) do
    if not hop[name] then
      for _, value in pairs(values) do reply:add_header(name, value) end
    end
  end
  reply:set_body(answer.body or "")
  txn:done(reply)
end, 0)
