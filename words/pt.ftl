# The sale, before joining
status-scheduled = Ainda não começou
status-open = Aberta
status-paused = Em pausa
status-sold-out = Esgotada
status-closed = Encerrada
starts-on = Início: { $at }.
join-before-start = Você já pode ocupar o seu lugar. A fila começa a andar no início.
start-not-set = A venda não começou. O horário de início ainda não foi definido.
join-before-open = Você já pode ocupar o seu lugar. A fila começa a andar quando a venda abrir.
no-units = No momento não há unidades à venda.
sale-open = A venda está aberta. Entre na fila e mostramos o seu lugar ao vivo.
sale-paused = A venda está em pausa. Ninguém passa no momento.
join-while-paused = Você ainda pode entrar. O seu lugar fica guardado e a fila anda quando a venda continuar.
sale-sold-out = Todas as unidades foram vendidas. A fila não aceita mais ninguém.
sale-closed = Esta venda foi encerrada. A fila não aceita mais ninguém.
join = Entrar na fila
join-help = Todos são atendidos por ordem de chegada. Você pode fechar esta página e voltar neste navegador: o seu lugar fica guardado.
all-held = Todas as unidades estão sendo compradas neste momento.
return-from = Algumas podem voltar a partir de { $at }.
return-some = Algumas ainda podem voltar.
available = Disponíveis
held = Em compra
sold = Vendidas

# In line
from-seller = Mensagem da loja:
paused = A venda está em pausa.
paused-help = Ninguém passa no momento. O seu lugar fica guardado.
in-line = Você está na fila
place-taken = O seu lugar está garantido. Não há nada a fazer até o início: depois, esta página mostra onde você está.
waiting = Pessoas na fila
your-place = O seu lugar na fila
in-front = À sua frente
behind = Atrás de você
wait = Espera estimada
chance = A sua chance
chance-certain = certa
chance-very-likely = muito provável
chance-likely = provável
chance-even = cerca de metade
chance-unlikely = pouco provável
chance-very-unlikely = muito pouco provável
chance-none = sem chance realista
chance-over = mais de { $p }
chance-under = menos de { $p }
under-a-minute = menos de um minuto
minutes =
    { $n ->
        [one] { $range } minuto
        [many] { $range } de minutos
       *[other] { $range } minutos
    }
hours =
    { $n ->
        [one] { $range } hora
        [many] { $range } de horas
       *[other] { $range } horas
    }
days =
    { $n ->
        [one] { $n } dia
        [many] { $n } de dias
       *[other] { $n } dias
    }
range = { $low }–{ $high }
percent = { $n }%
day-time = { $date } às { $time }
live = Ao vivo
news-old =
    { $n ->
        [one] Última notícia há { $n } segundo. O seu lugar fica guardado enquanto reconectamos.
        [many] Última notícia há { $n } de segundos. O seu lugar fica guardado enquanto reconectamos.
       *[other] Última notícia há { $n } segundos. O seu lugar fica guardado enquanto reconectamos.
    }
alert-me = Avisar quando for a minha vez
late-paused = A espera ficou mais longa: a venda esteve em pausa por um tempo.
late-all-held = A espera ficou mais longa: todas as unidades estavam sendo compradas e voltaram tarde.
late-checkout-full = A espera ficou mais longa: o caixa está cheio, e os próximos passam quando outros terminam.
late-pace = A espera ficou mais longa: a loja mudou o ritmo de entrada.
late-outage = A espera ficou mais longa: a fila foi restaurada depois de uma falha, com cada um no seu lugar.
late-slower = A espera ficou mais longa: as pessoas à sua frente demoram mais do que antes.
hopeless = É provável que à sua frente comprem mais pessoas do que há unidades. Você pode ficar: o que não for comprado vai para a próxima pessoa da fila. Ou saia agora e poupe a espera.
numbers = De onde vêm estes números
numbers-help = A espera: o ritmo de entrada nos últimos minutos desta venda. A chance: quão provável é que à sua frente comprem menos pessoas do que há unidades, com base em quantas das que passaram pelo caixa desta venda compraram até agora.
leave = Sair da fila
leave-help = O seu lugar se perde de vez. Para voltar, seria preciso começar no fim da fila.
leave-yes = Sim, desistir do meu lugar

# Going on on another device
move = Continuar em outro dispositivo
move-help = Você recebe um link e um código QR. O seu lugar continua o mesmo; este dispositivo deixa de tê-lo.
move-make = Criar um link
move-link = Aponte a câmera do outro dispositivo para cá. O link funciona uma vez, até { $at }; quem o abrir recebe o seu lugar.
qr = Código QR do link abaixo
moved = Este lugar foi passado para outro dispositivo
moved-help = Ele aparece lá agora, e este dispositivo não pode mais usá-lo. Para trazê-lo de volta, toque lá em “Continuar em outro dispositivo”.
take = Continuar neste dispositivo?
take-help = O seu lugar na fila vem para cá. O outro dispositivo deixa de tê-lo.
take-yes = Sim, continuar aqui
take-warning = Outra pessoa enviou este link para você? Ele lhe dá o lugar dela. Você pode fechar esta página; então nada muda.

# The turn, and how a ticket ends
turn = É a sua vez
turn-title = Sua vez
held-until = Uma unidade está reservada para você até { $at }.
go-checkout = Ir para o caixa
no-checkout-address = A sua unidade está reservada para você até { $at }. A loja não nos informou o endereço do caixa. Abra a página da loja em outra aba e mantenha esta aberta.
if-late = Se você não comprar a tempo, a unidade deixa de estar reservada para você.
yours = É sua
order-confirmed = O seu pedido está confirmado. A unidade { $unit } é sua.
order = Pedido
open-receipt = Abrir o recibo
expired = O seu tempo para comprar acabou
expired-help = Uma unidade estava reservada para você até { $at }.
released = Você devolveu a sua unidade
released-help = A unidade não está mais reservada para você.
sold-out = Esgotado
sold-out-help = Todas as unidades foram vendidas e a fila terminou. Obrigado por esperar.
closed = A venda foi encerrada
closed-help = A loja encerrou esta venda antes de chegar a sua vez.
left = Você saiu da fila
left-help = O seu lugar passou para quem estava atrás.
removed = Você foi retirado da fila
removed-help = A loja removeu esta senha. Se acha que foi um engano, fale com a loja.
join-again = Entrar de novo
join-again-help = Você recebe uma nova senha, no fim da fila.

# Spoken by screen readers
say-scheduled = Você está na fila. A venda não começou.
say-waiting = Você está no lugar { $position } da fila.
say-admitted = É a sua vez. Você tem { $left } para comprar.
say-confirmed = O seu pedido está confirmado.
say-minute = Falta um minuto.
say-over = O seu tempo acabou. Ainda pode dar certo por alguns segundos.

# The checkout and the receipt
checkout = Caixa
unit-held = A unidade { $unit } está reservada para você
buy-before = Compre antes de { $at }. Depois, a unidade deixa de estar reservada para você.
over = O seu tempo acabou.
over-help = Por alguns segundos ainda pode dar certo: toque em “Comprar agora” e nós tentamos.
reference = Referência do pagamento
optional = (opcional)
reference-help = Aparece no seu recibo, até 200 caracteres.
reference-bad = Use no máximo 200 caracteres.
buy = Comprar agora
not-wanted = Não quero
not-wanted-help = A unidade deixa de estar reservada para você. Não é possível desfazer.
give-back = Devolver
unknown-outcome = Ainda não sabemos se deu certo. Toque de novo em “Comprar agora”: não haverá cobrança em dobro.
receipt = Recibo
receipt-help = O seu pedido está confirmado e bem guardado.
sale = Venda
unit = Unidade
confirmed-at = Confirmado
keep = Guarde esta página: imprima, salve ou anote o pedido. Ele é o seu comprovante junto à loja.

# The foot of a page
in-utc = Os horários estão em UTC.
refreshes = Esta página se atualiza a cada 10 segundos.
left-as-opened = O tempo restante é o do momento em que a página foi aberta.
language = Idioma
change = Mudar

# Ways to say no
nothing-here = Não há nada aqui
nothing-here-help = Confira o endereço ou comece de novo pela página da loja que trouxe você até aqui.
too-many = Pedidos demais
too-many-help = A sua conexão enviou mais pedidos do que aceitamos de uma vez.
line-full = A fila está cheia
line-full-help = Volte um pouco mais tarde, por favor.
away = Volte daqui a pouco
away-help = Uma parte deste site não responde agora. Se você está na fila, o seu lugar fica guardado.
not-known = O resultado não é conhecido
not-known-help = Pode ter dado certo ou não. Veja a sala de espera e tente de novo.
our-fault = Algo deu errado aqui
our-fault-help = A falha é nossa e foi registrada.
link-ended = Este link não vale mais
link-ended-help = Ele já foi usado ou é antigo demais. Crie um novo no dispositivo que tem o lugar.
already-in-line = Este navegador já tem um lugar
already-in-line-help = Um navegador tem um só lugar por venda. Saia primeiro da fila aqui e depois abra o link de novo.
changed = Isso não é mais possível
changed-help = Algo mudou nesse meio-tempo. A sala de espera mostra a situação atual.
cookies-off = Este navegador não guarda cookies deste site
cookies-off-help = Este site reconhece o seu lugar por um cookie. Nada foi alterado: permita os cookies deste site e abra esta página de novo.
other-site = Este pedido não veio deste site
other-site-help = Abra a venda de novo a partir da página da loja. Se falhar outra vez, a loja está mal configurada: avise a loja, por favor.
not-taken = Este pedido não pôde ser aceito
not-taken-help = Volte à sala de espera e tente de novo a partir de lá.
retry-seconds =
    { $n ->
        [one] Tente de novo em { $n } segundo.
        [many] Tente de novo em { $n } de segundos.
       *[other] Tente de novo em { $n } segundos.
    }
retry-minutes =
    { $n ->
        [one] Tente de novo em { $n } minuto.
        [many] Tente de novo em { $n } de minutos.
       *[other] Tente de novo em { $n } minutos.
    }
back = Voltar à sala de espera
