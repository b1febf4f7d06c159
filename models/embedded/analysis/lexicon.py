"""What the recipe knows about data: measures, dimensions and the domains they come from.

The words are matched against the task without accents and in lower case, so both languages
stand side by side; a word ending in ``*`` matches any ending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Aggregate = Literal["sum", "mean"]


@dataclass(frozen=True)
class Measure:
    """A quantity that can be summed or averaged, with a plausible range for sample data."""

    name: str
    labels: tuple[str, str]
    """English, Portuguese."""
    words: str
    aggregate: Aggregate
    low: float
    high: float
    """Range of the sample values."""
    unit: str = ""
    whole: bool = False
    """Whether values are whole numbers."""
    minimum: float | None = 0
    maximum: float | None = None
    """Values beyond these cannot be true and are taken for mistakes."""


@dataclass(frozen=True)
class Dimension:
    """Something to group by, with sample values."""

    name: str
    labels: tuple[str, str]
    words: str
    values: tuple[str, str]
    """Sample values separated by ``|``: English, Portuguese."""


@dataclass(frozen=True)
class Domain:
    """A field of data and the columns that usually come with it."""

    name: str
    labels: tuple[str, str]
    words: str
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]


MEASURES: tuple[Measure, ...] = (
    Measure(
        "amount",
        ("Sales amount", "Valor das vendas"),
        "sales vendas revenue receita* faturamento turnover venda",
        "sum",
        40,
        900,
        unit="$",
    ),
    Measure(
        "quantity",
        ("Quantity", "Quantidade"),
        "quantity quantidade* quantities units unidades",
        "sum",
        1,
        20,
        whole=True,
    ),
    Measure("profit", ("Profit", "Lucro"), "profit* lucro* margin* margem", "sum", 5, 300, unit="$", minimum=None),
    Measure("price", ("Price", "Preço"), "price* preco* cotacao cotacoes", "mean", 10, 250, unit="$"),
    Measure(
        "cost", ("Cost", "Custo"), "cost costs custo custos expense* despesa* gasto* spending", "sum", 15, 600, unit="$"
    ),
    Measure(
        "temperature",
        ("Temperature", "Temperatura"),
        "temperature* temperatura*",
        "mean",
        12,
        34,
        unit="°C",
        minimum=-90,
        maximum=60,
    ),
    Measure("humidity", ("Humidity", "Umidade"), "humidity umidade", "mean", 35, 95, unit="%", maximum=100),
    Measure(
        "rainfall", ("Rainfall", "Chuva"), "rain rainfall precipitation chuva* precipitac*", "sum", 0, 40, unit="mm"
    ),
    Measure("wind_speed", ("Wind speed", "Velocidade do vento"), "wind vento*", "mean", 0, 45, unit="km/h"),
    Measure(
        "score", ("Score", "Nota"), "score* grade grades nota notas marks rating* avaliac*", "mean", 3, 10, maximum=10
    ),
    Measure(
        "attendance",
        ("Attendance", "Frequência"),
        "attendance frequencia presenca*",
        "mean",
        60,
        100,
        unit="%",
        maximum=100,
    ),
    Measure("cases", ("Cases", "Casos"), "cases casos infections infecc*", "sum", 0, 120, whole=True),
    Measure("deaths", ("Deaths", "Óbitos"), "deaths obitos mortes", "sum", 0, 9, whole=True),
    Measure("age", ("Age", "Idade"), "age ages idade*", "mean", 18, 80, unit="y", whole=True, maximum=130),
    Measure("weight", ("Weight", "Peso"), "weight* peso*", "mean", 50, 110, unit="kg", maximum=700),
    Measure(
        "visits",
        ("Visits", "Visitas"),
        "visits visitor* visita* pageview* acessos traffic trafego",
        "sum",
        20,
        900,
        whole=True,
    ),
    Measure("clicks", ("Clicks", "Cliques"), "clicks cliques", "sum", 1, 120, whole=True),
    Measure("duration", ("Duration", "Duração"), "duration duracao", "mean", 2, 90, unit="min"),
    Measure(
        "energy",
        ("Energy used", "Consumo de energia"),
        "energy energia electricity kwh consumption consumo",
        "sum",
        2,
        45,
        unit="kWh",
    ),
    Measure("salary", ("Salary", "Salário"), "salary salaries salario* wage*", "mean", 1800, 9500, unit="$"),
    Measure("population", ("Population", "População"), "population* populac*", "sum", 5000, 900000, whole=True),
    Measure(
        "pm25",
        ("Fine particles (PM2.5)", "Partículas finas (PM2,5)"),
        "pollution poluic* pm25 air_quality",
        "mean",
        5,
        80,
        unit="µg/m³",
    ),
    Measure("goals", ("Goals", "Gols"), "gols", "sum", 0, 5, whole=True),
    Measure("stock", ("Stock", "Estoque"), "stock estoque inventory inventario", "sum", 0, 200, whole=True),
)

DIMENSIONS: tuple[Dimension, ...] = (
    Dimension(
        "region",
        ("Region", "Região"),
        "region* regiao regioes",
        ("North|South|East|West|Centre", "Norte|Sul|Leste|Oeste|Centro"),
    ),
    Dimension(
        "city",
        ("City", "Cidade"),
        "city cities cidade*",
        ("Lisbon|Porto|Madrid|Paris|Berlin|Rome", "São Paulo|Recife|Curitiba|Manaus|Salvador|Brasília"),
    ),
    Dimension(
        "country",
        ("Country", "País"),
        "country countries pais paises",
        ("Brazil|Portugal|Spain|France|Germany|Japan", "Brasil|Portugal|Espanha|França|Alemanha|Japão"),
    ),
    Dimension(
        "state",
        ("State", "Estado"),
        "state states estado*",
        ("Ohio|Texas|Maine|Utah|Iowa", "Bahia|Ceará|Paraná|Goiás|Pará"),
    ),
    Dimension(
        "product",
        ("Product", "Produto"),
        "product products produto*",
        ("Notebook|Keyboard|Monitor|Mouse|Headset", "Caderno|Teclado|Monitor|Mouse|Fone"),
    ),
    Dimension(
        "category",
        ("Category", "Categoria"),
        "category categories categoria*",
        ("Food|Home|Clothing|Books|Garden", "Alimentos|Casa|Roupas|Livros|Jardim"),
    ),
    Dimension(
        "store",
        ("Store", "Loja"),
        "store stores shop shops loja* filial filiais branch branches",
        ("Centre|Station|Harbour|Park", "Centro|Estação|Porto|Parque"),
    ),
    Dimension(
        "customer",
        ("Customer", "Cliente"),
        "customer* client clients cliente*",
        (
            "Customer A|Customer B|Customer C|Customer D|Customer E|Customer F",
            "Cliente A|Cliente B|Cliente C|Cliente D|Cliente E|Cliente F",
        ),
    ),
    Dimension(
        "seller",
        ("Seller", "Vendedor"),
        "seller* salesperson salespeople vendedor* vendedora*",
        ("Seller A|Seller B|Seller C|Seller D", "Vendedor A|Vendedor B|Vendedor C|Vendedor D"),
    ),
    Dimension("channel", ("Channel", "Canal"), "channel* canal canais", ("Web|Store|Phone", "Site|Loja|Telefone")),
    Dimension(
        "department",
        ("Department", "Departamento"),
        "department* departamento* setor setores",
        ("Finance|Support|Research|Sales", "Financeiro|Suporte|Pesquisa|Vendas"),
    ),
    Dimension(
        "subject",
        ("Subject", "Disciplina"),
        "subject subjects disciplina* materia materias",
        ("Mathematics|History|Biology|Physics", "Matemática|História|Biologia|Física"),
    ),
    Dimension("class_group", ("Class", "Turma"), "class classes turma*", ("A|B|C", "A|B|C")),
    Dimension(
        "student",
        ("Student", "Aluno"),
        "student students aluno* estudante*",
        (
            "Student 1|Student 2|Student 3|Student 4|Student 5|Student 6",
            "Aluno 1|Aluno 2|Aluno 3|Aluno 4|Aluno 5|Aluno 6",
        ),
    ),
    Dimension(
        "gender", ("Gender", "Gênero"), "gender* genero sexo sex", ("Female|Male|Other", "Feminino|Masculino|Outro")
    ),
    Dimension(
        "page", ("Page", "Página"), "page pages pagina*", ("/home|/blog|/prices|/help", "/inicio|/blog|/precos|/ajuda")
    ),
    Dimension(
        "device",
        ("Device", "Dispositivo"),
        "device* dispositivo* sensor sensors sensores",
        ("Device 1|Device 2|Device 3|Device 4", "Dispositivo 1|Dispositivo 2|Dispositivo 3|Dispositivo 4"),
    ),
    Dimension(
        "station",
        ("Station", "Estação"),
        "station* estacao estacoes",
        ("Hill|Coast|Airport|Valley", "Serra|Costa|Aeroporto|Vale"),
    ),
    Dimension(
        "team", ("Team", "Time"), "team* equipe* clube*", ("Reds|Blues|Greens|Whites", "Vermelhos|Azuis|Verdes|Brancos")
    ),
    Dimension(
        "room",
        ("Room", "Ambiente"),
        "room rooms sala salas comodo*",
        ("Kitchen|Office|Bedroom|Garage", "Cozinha|Escritório|Quarto|Garagem"),
    ),
    Dimension(
        "asset",
        ("Asset", "Ativo"),
        "stocks shares acoes ativo* crypto* cripto* coin coins moeda*",
        ("Asset A|Asset B|Asset C|Asset D", "Ativo A|Ativo B|Ativo C|Ativo D"),
    ),
    Dimension(
        "supplier",
        ("Supplier", "Fornecedor"),
        "supplier* fornecedor*",
        ("Supplier A|Supplier B|Supplier C", "Fornecedor A|Fornecedor B|Fornecedor C"),
    ),
)

DOMAINS: tuple[Domain, ...] = (
    Domain(
        "sales",
        ("Sales", "Vendas"),
        "sales vendas revenue receita* faturamento orders pedidos ecommerce shop loja",
        ("amount", "quantity"),
        ("region", "product"),
    ),
    Domain(
        "weather",
        ("Weather", "Clima"),
        "weather clima* temperature* temperatura* rain* chuva* meteorolog* forecast",
        ("temperature", "humidity", "rainfall"),
        ("city",),
    ),
    Domain(
        "expenses",
        ("Expenses", "Despesas"),
        "expense* despesa* gasto* budget orcamento spending finance* financ*",
        ("cost",),
        ("category", "department"),
    ),
    Domain(
        "grades",
        ("School results", "Resultados escolares"),
        "student* aluno* school escola* grade grades nota notas",
        ("score", "attendance"),
        ("subject", "class_group"),
    ),
    Domain(
        "health",
        ("Health", "Saúde"),
        "health saude covid* patient* paciente* disease* doenca* hospital* epidemi*",
        ("cases", "deaths"),
        ("region",),
    ),
    Domain(
        "web",
        ("Web traffic", "Tráfego do site"),
        "website traffic trafego pageview* visit* acessos clicks cliques",
        ("visits", "clicks"),
        ("page", "device"),
    ),
    Domain(
        "markets",
        ("Prices", "Preços"),
        "stocks shares acoes bolsa crypto* cripto* bitcoin exchange cotac* market",
        ("price", "quantity"),
        ("asset",),
    ),
    Domain(
        "energy",
        ("Energy use", "Consumo de energia"),
        "energy energia electricity kwh sensor* iot consumo",
        ("energy", "temperature"),
        ("room",),
    ),
    Domain(
        "staff",
        ("Staff", "Pessoal"),
        "employee* funcionario* salary salaries salario* staff hr rh",
        ("salary", "age"),
        ("department", "city"),
    ),
    Domain(
        "population",
        ("Population", "População"),
        "population* populac* census censo inhabitants habitantes",
        ("population",),
        ("country", "city"),
    ),
    Domain("air", ("Air quality", "Qualidade do ar"), "pollution poluic* pm25 air", ("pm25", "humidity"), ("station",)),
    Domain(
        "sports",
        ("Matches", "Jogos"),
        "football futebol goals gols match matches campeonato league",
        ("goals",),
        ("team",),
    ),
)

#: Words of time and the period they group by.
PERIOD_WORDS: dict[str, str] = {
    "hour": "hourly hour hours hora horas horario",
    "day": "daily day days dia dias diario diaria diariamente",
    "month": "monthly month months mes meses mensal mensais mensalmente",
    "year": "yearly year years annual ano anos anual anuais",
}
TIME_WORDS = (
    "date data time tempo timestamp week weeks weekly semana semanas semanal quarter trimestre trend trends evolucao"
)
