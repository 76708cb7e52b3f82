# The sale, before joining
status-scheduled = 尚未开始
status-open = 销售中
status-paused = 已暂停
status-sold-out = 已售罄
status-closed = 已结束
starts-on = 开始时间：{ $at }
join-before-start = 您现在就可以排队。开售后队伍开始前进。
start-not-set = 销售尚未开始，开始时间待定。
join-before-open = 您现在就可以排队。销售开放后队伍开始前进。
no-units = 目前没有可售商品。
sale-open = 销售已开放。加入队伍后，我们会实时显示您的位置。
sale-paused = 销售已暂停，目前不放行任何人。
join-while-paused = 您仍可排队。您的位置会保留，销售恢复后队伍继续前进。
sale-sold-out = 所有商品均已售出，不再接受排队。
sale-closed = 本次销售已结束，不再接受排队。
join = 加入队伍
join-help = 所有人按排队顺序购买。您可以关闭此页面，稍后用同一浏览器返回：您的位置会保留。
all-held = 所有商品都在结账中。
return-from = { $at } 起可能会有商品退回。
return-some = 可能还会有商品退回。
available = 可售
held = 结账中
sold = 已售

# In line
from-seller = 商家通知：
paused = 销售已暂停。
paused-help = 目前不放行任何人。您的位置会保留。
in-line = 您正在排队
place-taken = 您的位置已保留。开始前无需任何操作，开始后此页面会显示您的位置。
waiting = 排队人数
your-place = 您的位置
in-front = 在您前面
behind = 在您后面
wait = 预计等待
chance = 买到的机会
chance-certain = 确定
chance-very-likely = 非常大
chance-likely = 较大
chance-even = 一半左右
chance-unlikely = 较小
chance-very-unlikely = 非常小
chance-none = 几乎没有机会
chance-over = 超过 { $p }
chance-under = 不到 { $p }
under-a-minute = 不到 1 分钟
minutes =
    { $n ->
       *[other] { $range } 分钟
    }
hours =
    { $n ->
       *[other] { $range } 小时
    }
days =
    { $n ->
       *[other] { $n } 天
    }
range = { $low }–{ $high }
percent = { $n }%
day-time = { $date } { $time }
live = 实时
news-old =
    { $n ->
       *[other] 上次更新在 { $n } 秒前。重新连接期间，您的位置会保留。
    }
alert-me = 轮到我时提醒我
late-paused = 等待时间变长了：销售曾暂停一段时间。
late-all-held = 等待时间变长了：所有商品都在结账中，退回较晚。
late-checkout-full = 等待时间变长了：结账人数已满，有人完成后才会放行下一位。
late-pace = 等待时间变长了：商家调整了放行速度。
late-outage = 等待时间变长了：故障后队伍已恢复，所有人的位置不变。
late-slower = 等待时间变长了：前面的人比之前花的时间更长。
hopeless = 您前面会购买的人数很可能多于剩余商品数。您可以继续等待：未被购买的商品会转给下一位。您也可以现在离开，不必再等。
numbers = 这些数字的依据
numbers-help = 等待时间：根据本次销售最近几分钟的放行速度。机会：您前面会购买的人数少于剩余商品数的可能性，根据本次销售目前为止的结账中完成购买的比例得出。
leave = 离开队伍
leave-help = 您将永久失去这个位置。重新排队要从队尾开始。
leave-yes = 是的，放弃我的位置

# Going on on another device
move = 在其他设备上继续
move-help = 您将得到一个链接及其二维码。您的位置不变；之后此设备不再拥有该位置。
move-make = 生成链接
move-link = 请用另一台设备的相机对准这里。链接只能使用一次，有效至 { $at }；打开链接的人将得到您的位置。
qr = 下方链接的二维码
moved = 此位置已转到其他设备
moved-help = 位置现在显示在那台设备上，此设备无法再使用。如需转回，请在那台设备上点击“在其他设备上继续”。
take = 在此设备上继续吗？
take-help = 您的排队位置将转到这里。另一台设备不再拥有该位置。
take-yes = 是的，在这里继续
take-warning = 这个链接是别人发给您的吗？继续将使您得到对方的位置。您可以关闭此页面，这样不会有任何改变。

# The turn, and how a ticket ends
turn = 轮到您了
turn-title = 轮到您了
held-until = 一件商品已为您保留至 { $at }。
go-checkout = 去结账
no-checkout-address = 您的商品将保留至 { $at }。商店尚未告知我们结账地址。请在另一个标签页中打开商店页面，并保持此页面打开。
if-late = 如果您未及时购买，商品将不再为您保留。
yours = 购买成功
order-confirmed = 您的订单已确认。第 { $unit } 件商品已售给您。
order = 订单
open-receipt = 打开收据
expired = 您的结账时间已结束
expired-help = 商品曾为您保留至 { $at }。
released = 您已退回商品
released-help = 商品已不再为您保留。
sold-out = 已售罄
sold-out-help = 所有商品均已售出，排队已结束。感谢您的等待。
closed = 销售已结束
closed-help = 在轮到您之前，商家结束了本次销售。
left = 您已离开队伍
left-help = 您的位置已让给后面的人。
removed = 您已被移出队伍
removed-help = 商家移除了您的排队号。如有疑问，请联系商店。
join-again = 重新排队
join-again-help = 您将得到一个新的排队号，位于队尾。

# Spoken by screen readers
say-scheduled = 您正在排队。销售尚未开始。
say-waiting = 您排在第 { $position } 位。
say-admitted = 轮到您了。结账剩余时间：{ $left }。
say-confirmed = 您的订单已确认。
say-minute = 您还有一分钟。
say-over = 时间已到。几秒内可能仍然有效。

# The checkout and the receipt
checkout = 结账
unit-held = 第 { $unit } 件商品已为您保留
buy-before = 请在 { $at } 前购买。之后商品将不再为您保留。
over = 时间已到。
over-help = 几秒内可能仍然有效：请点击“立即购买”，我们会尝试。
reference = 付款参考号
optional = （选填）
reference-help = 会印在收据上，最多 200 个字符。
reference-bad = 请勿超过 200 个字符。
buy = 立即购买
not-wanted = 我不想要了
not-wanted-help = 商品将不再为您保留。此操作无法撤销。
give-back = 退回商品
unknown-outcome = 我们还不知道是否成功。请再次点击“立即购买”：不会重复扣款。
receipt = 收据
receipt-help = 您的订单已确认并妥善记录。
sale = 销售
unit = 商品编号
confirmed-at = 确认时间
keep = 请保留此页面：打印、保存或记下订单号。与商店联系时，它就是您的凭证。

# The foot of a page
in-utc = 时间均为 UTC。
refreshes = 此页面每 10 秒自动刷新。
left-as-opened = 剩余时间以打开页面时为准。
language = 语言
change = 更改

# Ways to say no
nothing-here = 这里什么都没有
nothing-here-help = 请检查网址，或从商店页面重新开始。
too-many = 请求过多
too-many-help = 您的网络发来的请求超过了我们一次能接受的数量。
line-full = 队伍已满
line-full-help = 请稍后再来。
away = 请稍候再来
away-help = 本站的一部分暂时没有响应。如果您正在排队，您的位置会保留。
not-known = 结果未知
not-known-help = 可能成功了，也可能没有。请查看等候室，然后再试一次。
our-fault = 出了点问题
our-fault-help = 这是我们的错误，已记录下来。
link-ended = 此链接已失效
link-ended-help = 链接已被使用或已过期。请在拥有位置的设备上重新生成。
already-in-line = 此浏览器已有位置
already-in-line-help = 在一次销售中，一个浏览器只有一个位置。请先在这里离开队伍，再重新打开链接。
changed = 现在无法这样做了
changed-help = 情况已有变化。等候室会显示当前状态。
cookies-off = 此浏览器不保存本网站的 Cookie
cookies-off-help = 本网站通过 Cookie 识别您的位置。未作任何更改：请允许本网站的 Cookie，然后重新打开此页面。
other-site = 此请求不是来自本网站
other-site-help = 请从商店的页面重新打开销售页面。如果仍然不行，说明商店的设置有误：请告知商店。
not-taken = 无法接受此请求
not-taken-help = 请返回等候室，从那里再试一次。
retry-seconds =
    { $n ->
       *[other] 请在 { $n } 秒后重试。
    }
retry-minutes =
    { $n ->
       *[other] 请在 { $n } 分钟后重试。
    }
back = 返回等候室
